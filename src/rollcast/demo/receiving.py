"""Following a feed over the real WebSocket, from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from livefeed.client import FeedClient
from rollcast.demo.account import Event

# In a row without an event: on a busy machine a killed console needs some seconds to be there again.
ATTEMPTS: Final = 30


async def receive(url: str, cookie: str, key: str, events: list[Event], through: str | None = None) -> None:
    """Put all events of the feed into `events` until it ends, as the console at `url` sends them.

    `cookie`: of somebody who may read them. `through`: the address of a proxy before the console. Raises what
    FeedClient raises.
    """
    at = through or url
    client = FeedClient(
        "ws" + at.removeprefix("http") + "/livefeed/",
        at + "/livefeed/history",
        {"Cookie": cookie, "Origin": url},
        key,
        attempts=ATTEMPTS,
    )
    async for group in client:
        wire = (group.lane, group.kind, group.origin, group.at_ms, group.first, group.items)
        events.extend(events_of([wire]))


def events_of(groups: Iterable[Any]) -> Iterator[Event]:
    """The single events of wire groups."""
    for lane, kind, origin, _at, first, items in groups:
        for number, data in enumerate(items):
            yield Event(first + number, lane, kind, origin, data)
