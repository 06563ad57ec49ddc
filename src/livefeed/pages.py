"""Reading the log: by cursor, by range, by lane.

The head is read first, then the rows, without a transaction: every event up to a head that was seen is there
(the proof is in `livefeed.log`), or has been pruned since. Statements are short and fetched whole: an open
read would keep SQLite from checkpointing.

A hole is never skipped. Where rows are missing, the feed's row is read once more: `livefeed.retention` moves
`first` in a commit before the one that deletes, so whoever misses a pruned row finds a `first` above it
(EventsPruned), and whoever misses a row of a deleted feed finds no feed (FeedNotFound); all else is damage
(LogDamaged). A read of one lane cannot see a hole, as it passes over most rows anyway: it looks at `first`
again every time, after its rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from django.db import connection

from livefeed.frames import Group, Stored, encode, expand, lasts_of_lane, trim, unpack_lanes
from livefeed.log import FeedNotFound, FeedState, head
from livefeed.models import Feed, Frame, FrameIndex, Lane
from livefeed.protocol import PAGE_EVENTS

# Frames fetched by one statement: at most 2 MiB of text.
_BATCH: Final = 64
# Every look asks this: Django takes several times as long to put it together as the database to answer.
_FRAMES: Final = (
    "SELECT first, last, codec, body FROM livefeed_frame "
    "WHERE feed_id = %s AND last > %s AND first <= %s ORDER BY last LIMIT %s"
)
# A page of one lane looks through this many index rows at most (16,384 frames), whatever it finds in them.
_INDEX_ROWS: Final = 256


class EventsPruned(LookupError):
    """Events after the cursor are gone: `first` is the oldest that is, read on after `first - 1`."""

    def __init__(self, feed: str, first: int) -> None:
        super().__init__(f"{feed}: events before {first} are no longer kept")
        self.feed, self.first = feed, first


class LogDamaged(RuntimeError):
    """The stored frames of a feed have a hole or cannot be read."""


@dataclass(frozen=True)
class Page:
    """Events after `prev` up to `to`, and where the feed stood. `to == prev`: nothing newer is stored.

        for lane, kind, origin, at_ms, first, items in page.groups:
            for seq, data in enumerate(items, first): ...

    With a lane, `to` covers the other lanes' events that were passed over.
    """

    epoch: str
    first: int
    head: int
    prev: int
    to: int
    closed: bool
    groups: list[Group]


def read(
    feed: str, after: int = 0, limit: int = PAGE_EVENTS, lane: str | None = None, until: int | None = None
) -> Page:
    """At most `limit` events after seq `after`: up to seq `until`, and of one lane only, if given.

    page = livefeed.read("report/7")
    while page.to < page.head:
        page = livefeed.read("report/7", after=page.to)

    Raises FeedNotFound, EventsPruned, LogDamaged.
    """
    state = head(feed)
    wanted = state if until is None else replace(state, head=min(state.head, until))
    to = after
    groups: list[Group] = []
    if lane is not None:
        to, groups = lane_groups(wanted, after, limit, lane)
    elif after < state.first - 1:
        raise EventsPruned(feed, state.first)
    else:
        for frame in stored_frames(wanted, after, limit):
            groups += trim(frame.text, after, frame.to)
            to = frame.to
    return Page(state.epoch, state.first, state.head, after, to, state.closed, groups)


def stored_frames(state: FeedState, after: int, limit: int, max_bytes: int | None = None) -> list[Stored]:
    """Whole frames after seq `after` up to the head that `state` names, together at most `limit` events.

    Only what an `after` or a `limit` inside a frame leaves of it is a piece of one. At least one frame, if
    there is any, whatever `max_bytes` (of text) says. Raises LogDamaged.
    """
    found: list[Stored] = []
    size, cursor = 0, after
    while cursor < state.head and cursor - after < limit:
        rows = _rows(state.pk, cursor, state.head)
        if not rows:
            _check_kept(state, cursor)
            raise LogDamaged(f"{state.key}: nothing stored after {cursor}, though the head is {state.head}")
        for first, last, codec, body in rows:
            if cursor - after >= limit or (found and last - after > limit):
                return found
            if first > cursor + 1:
                _check_kept(state, cursor)
                raise LogDamaged(f"{state.key}: events {cursor + 1} to {first - 1} are missing")
            text = _text(state.key, last, codec, body)
            to = min(last, after + limit, state.head)
            if first <= cursor or to < last:
                text = encode(trim(text, cursor, to))
            size += len(text)
            if found and max_bytes is not None and size > max_bytes:
                return found
            found.append(Stored(cursor, to, text))
            cursor = to
    return found


def _rows(pk: int, after: int, until: int) -> list[tuple[int, int, int, bytes]]:
    with connection.cursor() as cursor:
        cursor.execute(_FRAMES, [pk, after, until, _BATCH])
        return [(*row[:3], bytes(row[3])) for row in cursor.fetchall()]


def _text(key: str, last: int, codec: int, body: bytes) -> str:
    try:
        return expand(codec, body)
    except (ValueError, zlib.error) as error:
        raise LogDamaged(f"{key}: the frame that ends at {last} cannot be read: {error}") from error


def lane_groups(state: FeedState, after: int, limit: int, lane: str) -> tuple[int, list[Group]]:
    """(the seq up to which the feed was looked through, at most `limit` of the lane's events up to there).

    Raises EventsPruned, FeedNotFound, LogDamaged.
    """
    number = Lane.objects.filter(feed=state.pk, key=lane).values_list("no", flat=True).first()
    to, lasts = (state.head, []) if number is None else _lasts(state, after, number)
    groups: list[Group] = []
    count = 0
    for group in _of_lane(state, after, lasts, lane):
        items = group[5][: limit - count]
        groups.append([*group[:5], items])
        count += len(items)
        if count >= limit:
            to = group[4] + len(items) - 1
            break
    _check_kept(state, after)
    return max(after, to), groups


def _of_lane(state: FeedState, after: int, lasts: Sequence[int], lane: str) -> Iterator[Group]:
    for batch in _batches(lasts):
        rows = Frame.objects.filter(feed=state.pk, last__in=batch).order_by("last")
        found = list(rows.values_list("last", "codec", "body"))
        if len(found) < len(batch):
            _check_kept(state, after)
            raise LogDamaged(f"{state.key}: {len(batch) - len(found)} frames of lane {lane} are missing")
        for last, codec, body in found:
            yield from trim(_text(state.key, last, codec, bytes(body)), after, state.head, lane)


def _lasts(state: FeedState, after: int, number: int) -> tuple[int, list[int]]:
    """(the seq up to which was looked, the last seqs of the frames up to there that hold this lane).

    By the index rows, and if that were all of them, through the tail that has none yet.
    """
    rows = FrameIndex.objects.filter(feed=state.pk, last__gt=after).order_by("last")
    indexed = list(rows.values_list("last", "body")[:_INDEX_ROWS])
    to, lasts = after, []
    for to, body in indexed:
        lasts += [last for last in lasts_of_lane(bytes(body), number) if last > after]
        if to >= state.head:
            return state.head, lasts
    if len(indexed) == _INDEX_ROWS:
        return to, lasts
    tail = Frame.objects.filter(feed=state.pk, last__gt=to, first__lte=state.head).order_by("last")
    for last, lanes in list(tail.values_list("last", "lanes")):
        if number in unpack_lanes(bytes(lanes)):
            lasts.append(last)
    return state.head, lasts


def _check_kept(state: FeedState, after: int) -> None:
    """Raise EventsPruned or FeedNotFound if that is why events after `after` may be missing."""
    first = Feed.objects.filter(pk=state.pk).values_list("first", flat=True).first()
    if first is None:
        raise FeedNotFound(state.key)
    if after < first - 1:
        raise EventsPruned(state.key, first)


def _batches(numbers: Iterable[int]) -> Iterator[Sequence[int]]:
    batch: list[int] = []
    for number in numbers:
        batch.append(number)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
