"""Following a feed over the real WebSocket, from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from livefeed.client import FeedClient
from rollcast.demo.account import Event


async def receive(url: str, cookie: str, key: str) -> list[Event]:
    """All events of the feed until it ends, as the console at `url` sends them to who has this cookie."""
    client = FeedClient(
        "ws" + url.removeprefix("http") + "/livefeed/",
        url + "/livefeed/history",
        {"Cookie": cookie, "Origin": url},
        key,
    )
    events: list[Event] = []
    async for group in client:
        wire = (group.lane, group.kind, group.origin, group.at_ms, group.first, group.items)
        events.extend(events_of([wire]))
    return events


def events_of(groups: Iterable[Any]) -> Iterator[Event]:
    """The single events of wire groups."""
    for lane, kind, origin, _at, first, items in groups:
        for number, data in enumerate(items):
            yield Event(first + number, lane, kind, origin, data)
