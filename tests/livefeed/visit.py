"""A request to Django's ASGI handler in process: what a server passes on, piece by piece."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from asgiref.testing import ApplicationCommunicator
from django.core.handlers.asgi import ASGIHandler

from livefeed import reader

DEADLINE_S = 10


class Visit:
    """`async with Visit(cookie, feed="f") as visit`: the answer has begun. Leaving is a disconnect."""

    def __init__(
        self,
        cookie: str,
        *subs: dict[str, Any],
        headers: dict[str, str] | None = None,
        accept: str = "text/event-stream",
        **query: Any,
    ) -> None:
        fields = {"Host": "testserver", "Cookie": cookie, "Accept": accept, **(headers or {})}
        pairs = [*(("sub", json.dumps(sub)) for sub in subs), *query.items()]
        self.scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": "/livefeed/",
            "query_string": urlencode(pairs).encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in fields.items()],
        }
        communicator: Any = ApplicationCommunicator  # asgiref's has no types
        self._wire = communicator(ASGIHandler(), self.scope)

    async def __aenter__(self) -> Visit:
        await self._wire.send_input({"type": "http.request"})
        started = await self._wire.receive_output(DEADLINE_S)
        self.status = started["status"]
        self.headers = {name.decode().lower(): value.decode() for name, value in started["headers"]}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._wire.send_input({"type": "http.disconnect"})
        await self._wire.wait(DEADLINE_S)

    async def piece(self) -> bytes | None:
        """The next piece of the body; None at its end."""
        message = await self._wire.receive_output(DEADLINE_S)
        body: bytes = message.get("body", b"")
        return body if message.get("more_body") else body or None

    async def body(self, mark: bytes | None = None) -> bytes:
        """All of it, or up to the piece that has `mark` in it."""
        pieces = b""
        while (piece := await self.piece()) is not None:
            pieces += piece
            if mark is not None and mark in piece:
                break
        return pieces

    async def event(self) -> dict[str, str]:
        """The next server-sent event."""
        piece = await self.piece()
        assert piece is not None
        assert piece.endswith(b"\n\n")
        lines = piece.decode()[:-2].split("\n")
        return {name: value for name, _, value in (line.partition(": ") for line in lines)}

    async def hear(self) -> dict[str, Any]:
        """The message of the next event."""
        message: dict[str, Any] = json.loads((await self.event())["data"])
        return message

    async def hear_until(self, *kinds: str) -> list[dict[str, Any]]:
        """Messages up to the first of these kinds, that one included."""
        heard: list[dict[str, Any]] = []
        while not heard or heard[-1]["t"] not in kinds:
            heard.append(await self.hear())
        return heard

    async def silent(self) -> bool:
        """Is there nothing to read, for as long as the loop has anything to do at once?"""
        return bool(await self._wire.receive_nothing())


async def poll(cookie: str, *subs: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    """The messages of a long poll."""
    async with Visit(cookie, *subs, accept="application/json", **query) as visit:
        assert visit.status == 200
        messages: list[dict[str, Any]] = json.loads(await visit.body())["m"]
        return messages


def sub(number: int, feed: str, after: int = 0, epoch: str | None = None, **more: Any) -> dict[str, Any]:
    """The message that stands in a query."""
    return {"t": "sub", "id": number, "feed": feed, "epoch": epoch, "after": after, **more}


def nobody_watches() -> bool:
    """Has every feed been let go of in this loop? A reader without a watcher goes after READER_LINGER_S."""
    return not reader.readers()._readers
