"""A client that follows a rollout's feed over the real WebSocket from its beginning, in its own thread."""

from __future__ import annotations

import asyncio
import threading

from livefeed.client import FeedClient
from rollcast.demo.account import Event
from rollcast.demo.receiving import events_of

# Attempts in a row that may fail while a test has its console down.
ATTEMPTS = 200


class Receiver:
    """Receives until the feed ends; what came stands in `events`."""

    def __init__(self, url: str, cookie: str, key: str) -> None:
        self.events: list[Event] = []
        self._error: Exception | None = None
        self._client = FeedClient(
            "ws" + url.removeprefix("http") + "/livefeed/",
            url + "/livefeed/history",
            {"Cookie": cookie, "Origin": url},
            key,
            attempts=ATTEMPTS,
            patience=0.05,
        )
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)
        self._thread.start()

    @property
    def connections(self) -> int:
        """How often it has come (back)."""
        return self._client.connections

    def until_end(self, deadline_s: float = 60) -> list[Event]:
        """All events, once the feed has ended."""
        self._thread.join(deadline_s)
        assert not self._thread.is_alive(), f"the feed has not ended; {len(self.events)} events came"
        if self._error is not None:
            raise self._error
        return self.events

    def _run(self) -> None:
        try:
            asyncio.run(self._receive())
        except Exception as error:
            self._error = error

    async def _receive(self) -> None:
        async for group in self._client:
            wire = (group.lane, group.kind, group.origin, group.at_ms, group.first, group.items)
            self.events.extend(events_of([wire]))
