"""Retention: the only place where events are removed, and a reader is always told.

PROMISE. Nothing but the oldest frames of a feed, whole, is removed; its numbers go on. Whoever needed an
event that is gone is told so: by `reset: pruned` with the oldest one kept, or by `not_found` for a feed
deleted whole; on a history page, on a socket that was connected all the while, and by a read that was under
way. Writers wait for no longer than BATCH_FRAMES take to delete.

ALGORITHM. 1. `first` of the feed's row is moved up, to the first event of a frame. 2. Once that is committed,
frames that end below `first` are deleted, BATCH_FRAMES to a transaction, oldest first, and the index rows
that name no others. A call that ends between the two leaves frames that nobody reads: the next one, whatever
its limits, deletes them. 3. A feed to be deleted whole loses its events so, then all else of it in one
transaction, which first takes the feed's row and looks whether it is still closed at the head that was seen.

PROOF. A reader reads head and `first`, then rows (`livefeed.pages`). A row that it misses was deleted by 2,
so the `first` above it was committed before, and the second look at the feed's row finds it. What is at
`first` or above is never deleted: `first` only goes up, by compare-and-set, and 2 goes by the `first` that it
reads in the transaction that deletes. Appends write above the head, and `first` is at most head + 1, so the
two meet in no row but the feed's own. 3 takes no event along that came later: an append would have moved the
head, and none gets in between, as the feed's row is taken.

WHAT WOULD BREAK IT. Deleting in an earlier commit than that of `first`; cutting a frame in two; deleting the
marks (Origin) of a feed that goes on, as what was stored once would then be stored again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from livefeed import doorbell
from livefeed.log import FeedState, head
from livefeed.models import Feed, Frame, FrameIndex

# Frames that one transaction deletes: some ten milliseconds, in which no append gets in.
BATCH_FRAMES: Final = 50
# Seconds between two of them. SQLite does not queue writers: one that asks again at once gets in before those
# who sleep until their next try, and they would wait for as long as there is something to delete.
PAUSE_S: Final = 0.02
_NEVER: Final = threading.Event()


class FeedOpen(RuntimeError):
    """Only a closed feed is deleted; this one is open, or was written to meanwhile."""


@dataclass(frozen=True)
class Pruned:
    """What a call removed: `events` that readers no longer get, and `frames` deleted from the database.

    `first` and `head` are where the feed stands after it. `more`: frames are left to be deleted.
    """

    feed: str
    events: int
    frames: int
    first: int
    head: int
    more: bool = False


def prune(
    feed: str,
    *,
    before: int | None = None,
    older_than: datetime | None = None,
    keep: int | None = None,
    batches: int | None = None,
) -> Pruned:
    """Remove events before seq `before`, stored before `older_than`, or beyond the newest `keep`.

    Whatever any of the limits names goes, but only in whole frames. `batches` bounds the transactions that
    delete; None: until all is done. Within a transaction of the caller's all is one: give `batches=1` there.
    Raises FeedNotFound, and ValueError for a limit that makes no sense.
    """
    state = head(feed)
    first = oldest_kept(state, before=before, older_than=older_than, keep=keep)
    if first > state.first:
        with transaction.atomic(savepoint=False):
            Feed.objects.filter(pk=state.pk, first__lt=first).update(first=first)
            doorbell.ring_after_commit(feed)
    frames, more, done = 0, True, 0
    while more and (batches is None or done < batches):
        if done and not connection.in_atomic_block:
            _NEVER.wait(PAUSE_S)
        deleted, more = _delete_batch(state.pk)
        frames, done = frames + deleted, done + 1
    return Pruned(feed, first - state.first, frames, first, state.head, more)


def preview(
    feed: str, *, before: int | None = None, older_than: datetime | None = None, keep: int | None = None
) -> Pruned:
    """What `prune` with the same limits would remove now. Raises what it does."""
    state = head(feed)
    first = oldest_kept(state, before=before, older_than=older_than, keep=keep)
    frames = Frame.objects.filter(feed=state.pk, last__lt=first).count()
    return Pruned(feed, first - state.first, frames, first, state.head)


def delete(feed: str) -> Pruned:
    """Remove a closed feed whole, with its lanes and its origins' marks.

    A feed of the same key that is appended to later is another one: it counts from 1, in an epoch of its own.
    Raises FeedNotFound, FeedOpen.
    """
    state = head(feed)
    if not state.closed:
        raise FeedOpen(f"{feed} is open")
    pruned = prune(feed, before=state.head + 1)
    with transaction.atomic(savepoint=False):
        mine = Feed.objects.filter(pk=state.pk)
        taken = mine.filter(head=state.head, closed_at__isnull=False).update(head=state.head)
        if taken:
            mine.delete()  # and what refers to it
            doorbell.ring_after_commit(feed)
    # Outside of the block: an exception inside would spoil the caller's transaction.
    if not taken:
        raise FeedOpen(f"{feed} was written to or opened again meanwhile")
    return replace(pruned, more=False)


def closed_before(moment: datetime) -> list[str]:
    """The keys of the feeds that were closed before this moment and are closed still, oldest first."""
    rows = Feed.objects.filter(closed_at__lt=moment).order_by("closed_at")
    return list(rows.values_list("key", flat=True))


def holding(feeds: Iterable[str]) -> set[str]:
    """Those of the feeds that still have frames in the database."""
    frames = Frame.objects.filter(feed=OuterRef("pk"))
    return set(Feed.objects.filter(Exists(frames), key__in=feeds).values_list("key", flat=True))


def oldest_kept(
    state: FeedState, *, before: int | None, older_than: datetime | None, keep: int | None
) -> int:
    """The seq that would be the feed's first: the first event of a frame, or head + 1 if none is kept.

    By age, everything from the first frame on that is young enough is kept, whatever a clock that jumped has
    stamped on those after it. Raises ValueError for a limit that makes no sense.
    """
    if before is not None and before < 1:
        raise ValueError(f"seq counts from 1: {before}")
    if keep is not None and keep < 0:
        raise ValueError(f"a number of events to keep cannot be {keep}")
    kept = [state.first]
    frames = Frame.objects.filter(feed=state.pk, first__lte=state.head).order_by("last")
    seq = max(before or 1, 1 if keep is None else state.head + 1 - keep)
    if seq > 1:
        kept.append(_first_of(frames.filter(last__gte=seq)) or state.head + 1)
    if older_than is not None:
        at_ms = int(older_than.timestamp() * 1000)
        kept.append(_first_of(frames.filter(at_ms__gte=at_ms)) or state.head + 1)
    return max(kept)


def _first_of(frames: QuerySet[Frame]) -> int | None:
    return frames.values_list("first", flat=True).first()


def _delete_batch(pk: int) -> tuple[int, bool]:
    """(frames deleted, whether there are more) of those that end below the feed's `first`."""
    with transaction.atomic(savepoint=False):
        first = Feed.objects.filter(pk=pk).values_list("first", flat=True).first()
        if first is None:
            return 0, False
        doomed = Frame.objects.filter(feed=pk, last__lt=first).order_by("last")
        lasts = list(doomed.values_list("last", flat=True)[: BATCH_FRAMES + 1])
        if not lasts:
            return 0, False
        more = len(lasts) > BATCH_FRAMES
        until = lasts[:BATCH_FRAMES][-1]
        deleted, _ = Frame.objects.filter(feed=pk, last__lte=until).delete()
        FrameIndex.objects.filter(feed=pk, last__lte=until).delete()
        return deleted, more
