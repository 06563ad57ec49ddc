"""Following a feed over the real WebSocket, from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rollcast.demo.account import Event


def events_of(groups: Iterable[Any]) -> Iterator[Event]:
    """The single events of wire groups."""
    for lane, kind, origin, _at, first, items in groups:
        for number, data in enumerate(items):
            yield Event(first + number, lane, kind, origin, data)
