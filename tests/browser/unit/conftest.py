"""One Chromium per test process; a fresh page per test that fails on any breach of the content policy."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.browser.chromium import chromium
from tests.browser.unit.rollout_page import Rollout, open_page
from tests.browser.unit.scripted import ScriptedFeed, serve_feed
from tests.browser.unit.scripted_http import ScriptedHttp
from tests.browser.unit.site import Site, serve_site
from tests.browser.unit.test_state import snapshot_of

WATCH = """
window.breaches = [];
addEventListener("securitypolicyviolation", (e) =>
  window.breaches.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sample}`));
"""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Not per session: Playwright's loop runs in this thread, and asynchronous tests elsewhere need it."""
    with chromium(shell=True) as one:
        yield one


@pytest.fixture
def site() -> Iterator[Site]:
    with serve_site() as one:
        yield one


@pytest.fixture
def feed_server() -> Iterator[ScriptedFeed]:
    with serve_feed() as one:
        yield one


@pytest.fixture
def live(site: Site, feed_server: ScriptedFeed) -> ScriptedHttp:
    """The site's own `/livefeed/`, in front of the feed's server."""
    live = ScriptedHttp(feed_server)
    site.live = live.attend
    return live


@pytest.fixture
def page(browser: Browser, site: Site, feed_server: ScriptedFeed) -> Iterator[Page]:
    """An empty page of the site, 1000 × 700; no policy breach and no uncaught error may happen in it.

    It needs the feed's server so that the page goes first: a page whose server went away would try again.
    """
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    page = context.new_page()
    page.set_default_timeout(10_000)
    faults: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "TrustedHTML" in message.text:
            faults.append(message.text)

    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", heard)
    page.add_init_script(WATCH)
    page.goto(f"{site.url}/")
    yield page
    faults += page.evaluate("() => window.breaches")
    context.close()
    assert not faults, json.dumps(faults, indent=1)


@pytest.fixture
def rollout(page: Page, site: Site, feed_server: ScriptedFeed) -> Rollout:
    """The page of a rollout of six hosts in three waves that has just been created."""
    return open_page(page, site, feed_server, snapshot_of())
