"""One reader per watched feed and process: it follows the feed's tail and wakes those who watch.

PROMISE. A watcher learns of every head, at the latest SAFETY_POLL_S after its commit; a watcher that waits
has been woken, or nothing has happened. Each message is encoded once for all sockets of the process. A
reader that fails takes its watchers along (their sockets close with 4008) and nobody else; the next one to
come gets a fresh reader.

WHY NO WAKE-UP IS LOST. A reader listens to the doorbell before it first reads the head, and counts its looks:
`_wanted` goes up with each ring, poll and newcomer, and the loop sleeps only if `_wanted` has not moved since
before the look that found nothing. A newcomer (`fresh`) waits for a look that began after it came, so that a
cursor taken from a page that is newer than our last look is not taken for one beyond the head.

BOUNDS. The ring keeps RING_FRAMES messages and RING_BYTES; older ones are read from the log again by `load`.
It may hold events that have been pruned since; nobody is served them once a look has shown that, as a cursor
below `first` is reset before it asks.
A reader without a watcher goes away after READER_LINGER_S.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from weakref import WeakKeyDictionary

from livefeed import protocol
from livefeed.conf import option
from livefeed.connections import connections
from livefeed.doorbell import doorbell
from livefeed.frames import Stored, size_of
from livefeed.log import FeedNotFound, FeedState, head
from livefeed.pages import EventsPruned, stored_frames
from livefeed.rights import told_since
from livefeed.session import Encoded, Head
from livefeed.threads import on_page_thread, on_tail_thread

logger = logging.getLogger(__name__)

# One batch of a catch-up: what a socket holds at most besides its window.
BATCH_BYTES = 64 * 1024
BATCH_FRAMES = 32
# One look at the tail: a burst larger than this is read in several.
LOOK_BYTES = 1024 * 1024


class ReaderFailed(RuntimeError):
    """The feed's reader is gone; come back for another."""


class FeedReader:
    """Follows one feed. Lives in one event loop; made by `Readers` only."""

    def __init__(self, key: str, house: Readers) -> None:
        self.key = key
        self.failed = False
        self.missing = False
        self.state: FeedState | None = None
        self._at: Head | None = None  # `state`, made once for all watchers
        self._house = house
        self._watchers: dict[object, Callable[[], None]] = {}
        self._wanted = 0
        self._overdue = False  # the look to come is one that nobody rang for
        self._looks_begun = 0
        self._looks_done = 0
        self._stir = asyncio.Event()
        self._looked = asyncio.Event()
        self._ring: dict[int, Encoded] = {}  # by prev, in order
        self._ring_bytes = 0
        self._tail = 0
        self._task = asyncio.create_task(self._supervise(), name=f"livefeed reader {key}")

    @property
    def at(self) -> Head:
        """Where the feed stands, as far as this reader has looked."""
        if self._at is None:
            raise ReaderFailed(self.key)
        return self._at

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` whenever there is news, a failure included; the answer ends that."""
        token = object()
        self._watchers[token] = wake
        self._stir.set()
        return partial(self._unwatch, token)

    def poke(self) -> None:
        """Look again."""
        self._wanted += 1
        self._stir.set()

    async def fresh(self) -> Head:
        """Where the feed stands by a look that begins after this call. To be called while watching.

        Raises FeedNotFound, ReaderFailed.
        """
        number = self._looks_begun + 1
        self.poke()
        while self._looks_done < number and not self.failed and not self.missing:
            await self._looked.wait()
        if self.missing:
            raise FeedNotFound(self.key)
        if self.failed:
            raise ReaderFailed(self.key)
        return self.at

    def cached(self, after: int) -> list[Encoded]:
        """Messages after this cursor from the ring; none if the ring does not join there."""
        found: list[Encoded] = []
        size = 0
        while (frame := self._ring.get(after)) and len(found) < BATCH_FRAMES and size < BATCH_BYTES:
            found.append(frame)
            size += frame.size
            after = frame.to
        return found

    async def load(self, state: FeedState, after: int) -> list[Encoded]:
        """The same from the log, up to the head that `state` names.

        Raises EventsPruned or FeedNotFound where `state` is no longer true, LogDamaged.
        """
        limit = state.head - after
        stored = await on_page_thread(self.key, partial(stored_frames, state, after, limit, BATCH_BYTES))
        return [_encoded(frame) for frame in stored]

    async def _supervise(self) -> None:
        try:
            stop_listening = doorbell().listen(partial(_ring_in, asyncio.get_running_loop(), self))
            try:
                await self._follow()
            finally:
                stop_listening()
        except FeedNotFound:
            self.missing = True
        except Exception:
            logger.exception("the reader of feed %s failed; its sockets come back for another", self.key)
            self._house.failures += 1
        finally:
            self.failed = True
            self._house.forget(self)
            self._tell_newcomers()
            self._news()

    async def _follow(self) -> None:
        while True:
            self._stir.clear()
            wanted = self._wanted
            self._looks_begun += 1
            number = self._looks_begun
            before, overdue = (self.state, self._tail), self._overdue
            more = await self._look()
            if overdue and self._wanted == wanted:
                self._house.bell_misses += _grown(before[0], self.state)
            self._overdue = False
            self._looks_done = number
            self._tell_newcomers()
            if (self.state, self._tail) != before:
                self._news()
            if more or self._wanted != wanted:
                continue
            if not await self._rest():
                return

    async def _rest(self) -> bool:
        """Sleep until something stirs or the safety poll is due; False once nobody has watched for long."""
        if self._watchers:
            with suppress(TimeoutError):
                async with asyncio.timeout(option("SAFETY_POLL_S")):
                    await self._stir.wait()
            self._overdue = not self._stir.is_set()
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(option("READER_LINGER_S")):
                while not self._watchers:
                    self._stir.clear()
                    await self._stir.wait()
        return bool(self._watchers)

    async def _look(self) -> bool:
        """One look at head and tail; True if there is more to fetch at once."""
        known = connections().rights
        look = partial(_look_at, self.key, self.state, self._tail, known)
        state, frames, told = await on_tail_thread(look)
        if told is not None:
            connections().rights_are(*told)  # before anybody learns of the new head
        if not _continues(self.state, state, self._tail):
            self._ring.clear()
            self._ring_bytes = 0
            self._tail = state.head
        if state != self.state:
            self.state, self._at = state, Head(state.epoch, state.first, state.head, state.closed)
        for stored in frames:
            frame = _encoded(stored)
            self._ring[frame.prev] = frame
            self._ring_bytes += frame.size
            self._tail = frame.to
        while self._ring and (
            len(self._ring) > option("RING_FRAMES") or self._ring_bytes > option("RING_BYTES")
        ):
            self._ring_bytes -= self._ring.pop(next(iter(self._ring))).size
        return self._tail < state.head

    def _tell_newcomers(self) -> None:
        self._looked.set()
        self._looked = asyncio.Event()

    def _news(self) -> None:
        for wake in list(self._watchers.values()):
            wake()

    def _unwatch(self, token: object) -> None:
        self._watchers.pop(token, None)
        self._stir.set()


class Readers:
    """The readers of one event loop. What is public may be read from any thread."""

    def __init__(self) -> None:
        # Readers that have failed; events that were found by the safety poll, and that nobody rang for.
        self.failures = 0
        self.bell_misses = 0
        self._readers: dict[str, FeedReader] = {}

    def of(self, key: str) -> FeedReader:
        """The reader of this feed, made now if there is none."""
        reader = self._readers.get(key)
        if reader is None:
            reader = self._readers[key] = FeedReader(key, self)
        return reader

    @property
    def count(self) -> int:
        """How many feeds are followed."""
        return len(self._readers)

    def forget(self, reader: FeedReader) -> None:
        """A reader has ended."""
        if self._readers.get(reader.key) is reader:
            del self._readers[reader.key]


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Readers] = WeakKeyDictionary()


def readers() -> Readers:
    """The readers of the running loop."""
    return _by_loop.setdefault(asyncio.get_running_loop(), Readers())


def all_readers() -> list[Readers]:
    """Those of every loop of this process: one, but for tests. From any thread."""
    return list(_by_loop.values())


def _ring_in(loop: asyncio.AbstractEventLoop, reader: FeedReader, feed: str | None) -> None:
    """A ring, in whatever thread."""
    if feed is None or feed == reader.key:
        try:
            loop.call_soon_threadsafe(reader.poke)
        except RuntimeError:  # the loop has just been closed: nobody is left to wake
            return


def _look_at(
    key: str, known: FeedState | None, tail: int, rights: int | None
) -> tuple[FeedState, Sequence[Stored], tuple[int, frozenset[str] | None] | None]:
    """(the feed now, what it has after `tail`, whose rights have changed if the counter is not `rights`)."""
    state = head(key)
    told = told_since(rights) if state.rights != rights else None
    if not _continues(known, state, tail) or state.head == tail:
        return state, (), told
    try:
        return state, stored_frames(state, tail, state.head - tail, LOOK_BYTES), told
    except (
        EventsPruned
    ):  # since the look at the head: the next one sees that `tail` is not in the feed any more
        return _look_at(key, known, tail, rights)


def _continues(known: FeedState | None, state: FeedState, tail: int) -> bool:
    """Can the ring go on from `tail`? Not if the feed is another one now, or has run far ahead of us."""
    if known is None or known.epoch != state.epoch:
        return False
    return state.first - 1 <= tail <= state.head <= tail + int(option("TOO_FAR_EVENTS"))


def _grown(before: FeedState | None, after: FeedState | None) -> int:
    """By how many events a feed has grown from one look to the next."""
    if before is None or after is None or before.epoch != after.epoch:
        return 0
    return max(after.head - before.head, 0)


def _encoded(frame: Stored) -> Encoded:
    tail = protocol.ev_tail(frame.prev, frame.to, frame.text)
    return Encoded(frame.prev, frame.to, tail, size_of(tail))
