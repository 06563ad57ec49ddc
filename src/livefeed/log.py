"""The log: `append` and its kin, the only writer of events.

PROMISE. Events of a feed are numbered 1, 2, 3 … without gap or double; a reader that has seen the head h
finds every event up to h, or learns that it is no longer kept (`livefeed.retention`), and none of them ever
changes. An append is whole or not at all, together with whatever else its transaction does. A chunk that
names its origin's marks (`before`, `after`) is stored once, however often it is offered.

ALGORITHM, in one transaction (the caller's, if there is one):
  1. lock     UPDATE feed SET head = head … RETURNING head: takes the feed's row (on SQLite: the write lock).
  2. sort out each chunk by its origin's mark m: m == before → store; m >= after → already; else → gap.
  3. number   the stored events get head+1 … head+n; UPDATE feed SET head = head + n.
  4. write    the frames, and an index row per 64 of them.
  5. mark     all origins by ONE executemany, each a compare-and-set from the mark read in 2.
  6. ring     after commit.

PROOF. From 1 to the commit nobody else passes 1 for this feed, so what 2 read still holds in 3 and 5, numbers
follow the commit order, and the head becomes visible together with its frames, never before. (A database
sequence would hand out numbers in one order and show them in another: a reader at 6 would miss a 5 that
commits late.) A roll-back takes numbers, frames and marks back together. 5 checks that it changed as many
rows as it named.

WHAT WOULD BREAK IT. Writing these tables from elsewhere (`retention` and `epochs` say why they may); reading
rows before the head (`head` first, then frames: no transaction needed); locking feeds in different orders: a
feed is locked last in a transaction, and several of them in the order of their keys (`append_many` does
that), or two writers may wait for each other.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db import connection, transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from livefeed import doorbell
from livefeed.frames import (
    CODEC_ZLIB,
    EVENT_BYTES,
    JSON,
    Packed,
    Run,
    compress,
    encode,
    pack,
    pack_index,
    pack_lanes,
    size_of,
)
from livefeed.models import Feed, Frame, FrameIndex, Instance, Lane, Origin
from livefeed.protocol import MAX_KEY_CHARS, MAX_LANE_CHARS

# An index row per this many frames: 1-2 % of the disk, one lane of 5,000 in a few milliseconds.
FRAMES_PER_INDEX: Final = 64
# Every look asks the first and every append the others: Django takes eight times as long to put them together
# as the database to answer.
_HEAD: Final = (
    "SELECT i.epoch, i.rights, f.epoch, f.first, f.head, f.closed_at IS NOT NULL, f.id "
    "FROM livefeed_feed f LEFT JOIN livefeed_instance i ON i.id = 1 WHERE f.key = %s"
)
_MARKS: Final = "SELECT key, mark FROM livefeed_origin WHERE feed_id = %s AND key IN"
_LANES: Final = "SELECT key, no FROM livefeed_lane WHERE feed_id = %s AND key IN"
_LENGTHS: Final = {"feed": MAX_KEY_CHARS, "lane": MAX_LANE_CHARS, "kind": 64, "origin": 200}


class FeedNotFound(LookupError):
    """There is no feed with this key."""


class MarkMoved(RuntimeError):
    """An origin's mark changed under the feed's lock: somebody writes these tables past `livefeed.log`."""


@dataclass(frozen=True)
class Chunk:
    """Events of one lane and kind that are stored together or not at all.

        Chunk("report", "line", ["Chapter 1 is written."])
        Chunk("report", "line", [text], origin="writer", before=done, after=done + 1)

    Items are JSON values. `before` and `after` are the origin's mark before and after them: a count, for a
    journal its byte offsets. `lane_name` is what people call a lane; it is kept from the lane's first chunk.
    """

    lane: str
    kind: str
    items: Sequence[JSON]
    origin: str | None = None
    before: int | None = None
    after: int | None = None
    lane_name: str = ""


@dataclass(frozen=True)
class Result:
    """What became of a chunk: "stored" (as events first … last), "already" or "gap"; the origin's mark."""

    status: str
    first: int
    last: int
    mark: int | None


@dataclass(frozen=True)
class FeedState:
    """A feed at one moment. Frames are read by its row, `pk`, so that a feed made anew is not mixed in.

    `rights` is the counter of `livefeed.rights` at that moment.
    """

    key: str
    epoch: str
    first: int
    head: int
    closed: bool
    pk: int = 0
    rights: int = field(default=0, compare=False)


@dataclass
class _Locked:
    """A feed whose row this transaction holds."""

    pk: int
    head: int
    frames: int


def append(feed: str, chunks: Sequence[Chunk], *, at_ms: int | None = None) -> list[Result]:
    """Store chunks in this order; one Result each. Joins the caller's transaction or opens one.

        with transaction.atomic():  # the product and the line that says so: both or neither
            product.save()
            livefeed.append("import/7", [Chunk("import", "line", [f"{product} is in."])])

    Call it from a view, thread, task or command; from a coroutine `await livefeed.aappend(…)`. The feed is
    created at its first append, also by one without chunks. A closed feed takes more, and stays closed.
    `at_ms` is Unix time in milliseconds (now, if not given).
    Raises ValueError or TypeError, before anything is written, for names or items that cannot be stored.
    """
    return append_many([(feed, chunks)], at_ms=at_ms)[0]


def append_many(
    items: Sequence[tuple[str, Sequence[Chunk]]], *, at_ms: int | None = None
) -> list[list[Result]]:
    """`append` to several feeds in one transaction, locked in the order of their keys."""
    stamp = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    texts = [[_checked(feed, chunk) for chunk in chunks] for feed, chunks in items]
    results: list[list[Result]] = [[] for _ in items]
    with transaction.atomic(savepoint=False):
        for index in sorted(range(len(items)), key=lambda index: items[index][0]):
            feed, chunks = items[index]
            results[index] = _append_locked(feed, chunks, texts[index], stamp)
    return results


def head(feed: str) -> FeedState:
    """Where a feed stands, for `{% livefeed key after=state %}` or a cursor; raises FeedNotFound."""
    with connection.cursor() as cursor:
        cursor.execute(_HEAD, [feed])
        rows = cursor.fetchall()
    if not rows:
        raise FeedNotFound(feed)
    installation, rights, epoch, first, newest, closed, pk = rows[0]
    return FeedState(feed, f"{installation or ''}.{epoch}", first, newest, bool(closed), pk, rights or 0)


def instance_epoch() -> str:
    """The installation's name for itself, made at the first call; it changes when a backup is restored."""
    return Instance.objects.get_or_create(pk=1, defaults={"epoch": secrets.token_hex(6)})[0].epoch


def mark(feed: str, origin: str) -> int:
    """How far this origin is stored in the feed: where its work goes on; 0 if it never was."""
    return marks(feed, [origin]).get(origin, 0)


def marks(feed: str, origins: Sequence[str]) -> dict[str, int]:
    """The marks of several origins; those that are not in the answer stand at 0."""
    return dict(Origin.objects.filter(feed__key=feed, key__in=origins).values_list("key", "mark"))


def close(feed: str) -> None:
    """End the feed for now: readers that have everything are told `end`. Raises FeedNotFound.

    Closing a closed feed is no error. `reopen` takes it back.
    """
    _set_closed(feed, Feed.objects.filter(key=feed, closed_at=None), closed=True)


def reopen(feed: str) -> None:
    """Go on with a closed feed; its numbers go on too. Raises FeedNotFound."""
    _set_closed(feed, Feed.objects.filter(key=feed, closed_at__isnull=False), closed=False)


def _set_closed(key: str, rows: QuerySet[Feed], *, closed: bool) -> None:
    with transaction.atomic(savepoint=False):
        changed = rows.update(closed_at=timezone.now() if closed else None)
        if changed:
            doorbell.ring_after_commit(key)
    # Outside of the block: an exception inside would spoil the caller's transaction.
    if not changed and not Feed.objects.filter(key=key).exists():
        raise FeedNotFound(key)


def _checked(feed: str, chunk: Chunk) -> list[str]:
    """The chunk's items as JSON texts; raises ValueError or TypeError for what cannot be stored."""
    names = {"feed": feed, "lane": chunk.lane, "kind": chunk.kind, "origin": chunk.origin}
    for name, value in names.items():
        if value is None:
            continue
        if not 0 < len(value) <= _LENGTHS[name] or not value.isprintable():
            raise ValueError(
                f"{name} must have 1 to {_LENGTHS[name]} printable characters, not {value[:80]!r}"
            )
    if (chunk.before is None) != (chunk.after is None):
        raise ValueError("before and after go together")
    if chunk.before is not None and chunk.after is not None:
        if chunk.origin is None:
            raise ValueError("marks belong to an origin")
        if not 0 <= chunk.before < chunk.after:
            raise ValueError(f"a mark moves forward: {chunk.before} to {chunk.after}")
    texts = [encode(item) for item in chunk.items]
    for text in texts:
        # A character has four bytes at most: few texts are long enough to be looked at.
        if len(text) * 4 > EVENT_BYTES and size_of(text) > EVENT_BYTES:
            raise ValueError(
                f"an event may have {EVENT_BYTES} bytes of JSON, this one has {len(text)} characters"
            )
    return texts


def _append_locked(key: str, chunks: Sequence[Chunk], texts: Sequence[list[str]], at_ms: int) -> list[Result]:
    feed = _lock(key)
    origins = sorted(
        {chunk.origin for chunk in chunks if chunk.origin is not None and chunk.after is not None}
    )
    old = _of_keys(_MARKS, feed.pk, origins)
    new = dict(old)
    results: list[Result] = []
    runs: list[Run] = []
    following = feed.head + 1
    for chunk, items in zip(chunks, texts, strict=True):
        status, stored = _sort_out(chunk, new)
        if status != "stored" or not items:
            results.append(Result(status, 0, 0, stored))
            continue
        results.append(Result(status, following, following + len(items) - 1, stored))
        following += len(items)
        runs.append(Run(chunk.lane, chunk.kind, chunk.origin, items))
    if runs:
        names = {chunk.lane: chunk.lane_name for chunk in chunks}
        _store(feed, pack(_joined(runs), feed.head + 1, at_ms), names, at_ms)
        doorbell.ring_after_commit(key)
    _move_marks(
        feed.pk,
        [(origin, old.get(origin, 0), new[origin]) for origin in new if new[origin] != old.get(origin)],
    )
    return results


def _sort_out(chunk: Chunk, marks_now: dict[str, int]) -> tuple[str, int | None]:
    """Step 2 for one chunk; moves the mark in `marks_now` if the chunk is to be stored."""
    if chunk.origin is None or chunk.before is None or chunk.after is None:
        return "stored", None
    now = marks_now.get(chunk.origin, 0)
    if now == chunk.before:
        marks_now[chunk.origin] = chunk.after
        return "stored", chunk.after
    return ("already" if now >= chunk.after else "gap"), now


def _joined(runs: Iterable[Run]) -> list[Run]:
    """Neighbours of the same lane, kind and origin as one run: a group is cheaper than two."""
    joined: list[Run] = []
    for run in runs:
        if joined and (joined[-1].lane, joined[-1].kind, joined[-1].origin) == (
            run.lane,
            run.kind,
            run.origin,
        ):
            joined[-1] = Run(run.lane, run.kind, run.origin, [*joined[-1].texts, *run.texts])
        else:
            joined.append(run)
    return joined


def _lock(key: str) -> _Locked:
    """Step 1. Every row of RETURNING is fetched: SQLite cannot commit while a statement is open."""
    for attempt in range(2):
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE livefeed_feed SET head = head WHERE key = %s RETURNING id, head, frames", [key]
            )
            rows = cursor.fetchall()
        if rows:
            return _Locked(*rows[0])
        if not attempt:
            instance_epoch()
            Feed.objects.bulk_create([Feed(key=key, epoch=secrets.token_hex(6))], ignore_conflicts=True)
    raise FeedNotFound(key)


def _store(feed: _Locked, frames: Sequence[Packed], names: dict[str, str], at_ms: int) -> None:
    """Steps 3 and 4."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE livefeed_feed SET head = head + %s, frames = frames + %s WHERE id = %s",
            [frames[-1].last - feed.head, len(frames), feed.pk],
        )
    numbers = _lane_numbers(feed.pk, sorted(set().union(*(frame.lanes for frame in frames))), names)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO livefeed_frame (feed_id, first, last, at_ms, codec, lanes, body) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    feed.pk,
                    frame.first,
                    frame.last,
                    at_ms,
                    CODEC_ZLIB,
                    pack_lanes(numbers[lane] for lane in frame.lanes),
                    compress(frame.text),
                )
                for frame in frames
            ],
        )
    due = (feed.frames + len(frames)) // FRAMES_PER_INDEX - feed.frames // FRAMES_PER_INDEX
    for _ in range(due):
        _index_next(feed.pk)


def _lane_numbers(pk: int, lanes: Sequence[str], names: dict[str, str]) -> dict[str, int]:
    """The numbers of these lanes; new ones get the next free numbers."""
    known = _of_keys(_LANES, pk, lanes)
    fresh = [lane for lane in lanes if lane not in known]
    if fresh:
        top = Lane.objects.filter(feed=pk).aggregate(top=Max("no"))["top"] or 0
        added = [Lane(feed_id=pk, no=top + i, key=lane, name=names[lane]) for i, lane in enumerate(fresh, 1)]
        Lane.objects.bulk_create(added)
        known |= {lane.key: lane.no for lane in added}
    return known


def _of_keys(query: str, pk: int, keys: Sequence[str]) -> dict[str, int]:
    """The numbers that a feed's rows of these keys hold; keys without a row are left out."""
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(f"{query} ({', '.join(['%s'] * len(keys))})", [pk, *keys])
        return dict(cursor.fetchall())


def _index_next(pk: int) -> None:
    indexed = FrameIndex.objects.filter(feed=pk).aggregate(last=Max("last"))["last"] or 0
    frames = Frame.objects.filter(feed=pk, last__gt=indexed).order_by("last").values_list("last", "lanes")
    rows = [(last, bytes(lanes)) for last, lanes in frames[:FRAMES_PER_INDEX]]
    FrameIndex.objects.create(feed_id=pk, last=rows[-1][0], body=pack_index(rows))


def _move_marks(pk: int, moves: Sequence[tuple[str, int, int]]) -> None:
    """Step 5: (origin, mark read, mark to be). Raises MarkMoved if a mark is not what was read."""
    if not moves:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO livefeed_origin (feed_id, key, mark) VALUES (%s, %s, %s) "
            "ON CONFLICT (feed_id, key) DO UPDATE SET mark = excluded.mark WHERE livefeed_origin.mark = %s",
            [(pk, origin, new, old) for origin, old, new in moves],
        )
        if cursor.rowcount != len(moves):
            raise MarkMoved(f"{cursor.rowcount} of {len(moves)} marks")
