"""Following a feed in a process of one's own: the log and the doorbell, without a server between.

A ring only makes it quick: the log is looked at every SAFETY_POLL_S anyway, and no event needs one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import NamedTuple

from livefeed.conf import option
from livefeed.doorbell import doorbell
from livefeed.frames import Group
from livefeed.log import head
from livefeed.pages import EventsPruned, read
from livefeed.protocol import PAGE_EVENTS, reset_reason


class Cursor(NamedTuple):
    """The last event that was taken. Without an epoch it is that of whatever feed has the key now."""

    epoch: str | None
    seq: int


class Batch(NamedTuple):
    """Events, the cursor once they are taken, and how many before them are no longer kept."""

    groups: list[Group]
    cursor: Cursor
    lost: int


class CursorForeign(Exception):
    """The cursor belongs to a feed that is no more, or lies beyond the head: begin anew."""


def batches(feed: str, cursor: Cursor, *, lane: str | None = None, follow: bool = False) -> Iterator[Batch]:
    """What comes after the cursor, up to the head; with `follow` up to the end of a feed that is closed.

    Raises FeedNotFound, LogDamaged and CursorForeign.
    """
    rung = threading.Event()
    stop_listening = doorbell().listen(lambda _feed: rung.set())
    try:
        while True:
            rung.clear()  # before the look: a ring from here on is for the next one
            cursor, lost = _valid(feed, cursor)
            try:
                page = read(feed, cursor.seq, PAGE_EVENTS, lane)
            except EventsPruned as pruned:  # since that look
                lost += pruned.first - 1 - cursor.seq
                cursor = Cursor(cursor.epoch, pruned.first - 1)
                yield Batch([], cursor, lost)
                continue
            if page.epoch != cursor.epoch:
                raise CursorForeign("epoch")
            if page.to > page.prev or lost:
                cursor = Cursor(cursor.epoch, page.to)
                yield Batch(page.groups, cursor, lost)
            elif page.closed or not follow:
                return
            else:
                rung.wait(option("SAFETY_POLL_S"))
    finally:
        stop_listening()


def _valid(feed: str, cursor: Cursor) -> tuple[Cursor, int]:
    """The cursor as it can be served, and how many events it misses by that."""
    state = head(feed)
    reason = reset_reason(cursor.epoch, cursor.seq, current=state.epoch, first=state.first, head=state.head)
    if reason in {"epoch", "ahead"}:
        raise CursorForeign(reason)
    seq = max(cursor.seq, state.first - 1)
    return Cursor(state.epoch, seq), seq - cursor.seq
