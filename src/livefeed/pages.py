"""Reading the log: by cursor, by range, by lane.

The head is read first, then the rows, without a transaction: every event up to a head that was seen is there
(the proof is in `livefeed.log`). Statements are short and fetched whole: an open read would keep SQLite from
checkpointing. What comes back is checked to be contiguous; a hole raises LogDamaged, it is never skipped.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from livefeed.frames import Group, Stored, encode, expand, lasts_of_lane, trim, unpack_lanes
from livefeed.log import FeedState, head
from livefeed.models import Frame, FrameIndex, Lane
from livefeed.protocol import PAGE_EVENTS

# Frames fetched by one statement: at most 2 MiB of text.
_BATCH: Final = 64


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


def read(feed: str, after: int = 0, limit: int = PAGE_EVENTS, lane: str | None = None) -> Page:
    """At most `limit` events after seq `after`, of one lane if given; raises FeedNotFound, LogDamaged.

    page = livefeed.read("report/7")
    while page.to < page.head:
        page = livefeed.read("report/7", after=page.to)
    """
    state = head(feed)
    to = after
    groups: list[Group] = []
    if lane is not None:
        to, groups = _read_lane(state, after, limit, lane)
    else:
        for frame in stored_frames(state, after, limit):
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
            raise LogDamaged(f"{state.key}: nothing stored after {cursor}, though the head is {state.head}")
        for first, last, codec, body in rows:
            if cursor - after >= limit or (found and last - after > limit):
                return found
            if first > cursor + 1:
                raise LogDamaged(f"{state.key}: events {cursor + 1} to {first - 1} are missing")
            text = _text(state.key, last, codec, body)
            to = min(last, after + limit)
            if first <= cursor or to < last:
                text = encode(trim(text, cursor, to))
            size += len(text)
            if found and max_bytes is not None and size > max_bytes:
                return found
            found.append(Stored(cursor, to, text))
            cursor = to
    return found


def _rows(pk: int, after: int, until: int) -> list[tuple[int, int, int, bytes]]:
    rows = Frame.objects.filter(feed=pk, last__gt=after, first__lte=until).order_by("last")
    return [(*row[:3], bytes(row[3])) for row in rows.values_list("first", "last", "codec", "body")[:_BATCH]]


def _text(key: str, last: int, codec: int, body: bytes) -> str:
    try:
        return expand(codec, body)
    except (ValueError, zlib.error) as error:
        raise LogDamaged(f"{key}: the frame that ends at {last} cannot be read: {error}") from error


def _read_lane(state: FeedState, after: int, limit: int, lane: str) -> tuple[int, list[Group]]:
    """(how far the feed was looked through, the lane's groups)."""
    number = Lane.objects.filter(feed=state.pk, key=lane).values_list("no", flat=True).first()
    groups: list[Group] = []
    if number is None:
        return max(after, state.head), groups
    count = 0
    for lasts in _batches(_lasts(state, after, number)):
        rows = (
            Frame.objects.filter(feed=state.pk, last__in=lasts)
            .order_by("last")
            .values_list("last", "codec", "body")
        )
        for last, codec, body in rows:
            for group in trim(_text(state.key, last, codec, bytes(body)), after, state.head, lane):
                room = limit - count
                count += min(len(group[5]), room)
                groups.append([*group[:5], group[5][:room]])
                if count == limit:
                    return int(groups[-1][4]) + len(groups[-1][5]) - 1, groups
    return max(after, state.head), groups


def _lasts(state: FeedState, after: int, number: int) -> Iterator[int]:
    """The last seqs of the frames that hold this lane: by the index rows, then through the open tail."""
    indexed = after
    rows = FrameIndex.objects.filter(feed=state.pk, last__gt=after).order_by("last")
    for last, body in list(rows.values_list("last", "body")):
        yield from (each for each in lasts_of_lane(bytes(body), number) if each > after)
        indexed = last
    tail = Frame.objects.filter(feed=state.pk, last__gt=indexed, first__lte=state.head).order_by("last")
    for last, lanes in list(tail.values_list("last", "lanes")):
        if number in unpack_lanes(bytes(lanes)):
            yield last


def _batches(numbers: Iterable[int]) -> Iterator[Sequence[int]]:
    batch: list[int] = []
    for number in numbers:
        batch.append(number)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
