"""The console as its user's browser sees it, without the browser: session cookie, CSRF token, JSON."""

from __future__ import annotations

import http.cookiejar
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Final

# On a busy machine a start over 200 hosts is one long transaction; nothing answers more slowly.
TIMEOUT_S: Final = 60.0


class Refused(OSError):
    """The console did not do what was asked."""


class Browser:
    """One signed-in user of the console at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self._cookies)
        )

    def sign_in(self, link: str) -> None:
        """Open the one-time link and press its button."""
        self._send("GET", link)
        form = urllib.parse.urlencode({"csrfmiddlewaretoken": self._token()}).encode()
        self._send("POST", link, form, "application/x-www-form-urlencoded")

    def get(self, path: str) -> Any:
        """What the API answers."""
        return json.loads(self._send("GET", self.url + path))

    def post(self, path: str, body: object) -> Any:
        """Ask the API for a change, with the CSRF token."""
        return json.loads(self._send("POST", self.url + path, json.dumps(body).encode(), "application/json"))

    def cookie_header(self) -> str:
        """The cookies as a WebSocket's handshake sends them."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._cookies)

    def _token(self) -> str:
        found = [cookie.value for cookie in self._cookies if cookie.name.endswith("_csrf")]
        if not found or found[0] is None:
            raise Refused("the console gave no CSRF cookie")
        return found[0]

    def _send(self, method: str, url: str, body: bytes | None = None, content_type: str = "") -> str:
        headers = {"Origin": self.url, "Referer": self.url + "/", "Accept": "application/json, text/html"}
        if body is not None:
            headers |= {"Content-Type": content_type, "X-CSRFToken": self._token()}
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310, our own http address
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            said = error.read().decode("utf-8", "replace")[:2000]
            raise Refused(f"{method} {urllib.parse.urlsplit(url).path}: {error.code} {said}") from error
