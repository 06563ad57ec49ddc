"""A command on a host: its stdin, and its two outputs with bounded memory on our side.

Promise: at most HIGH_WATER bytes (and what one callback brings) wait in an inbox; beyond that the transport
is told to read no further, so that a host which writes faster than we store slows down its follower and
nothing else. `get` may be cancelled at any time without losing bytes: an entry is taken only when it is
returned.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from rollcast.remote.errors import ContactLost

# Bytes in memory per follower: enough to keep a WAN busy, small enough for hundreds of hosts.
HIGH_WATER: Final = 256 * 1024
LOW_WATER: Final = 64 * 1024


class Inbox:
    """Bytes on their way from a transport's callbacks to one consumer, with back-pressure."""

    def __init__(self, pause_reading: Callable[[], None], resume_reading: Callable[[], None]) -> None:
        self._pause_reading = pause_reading
        self._resume_reading = resume_reading
        self._entries: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._full = False
        self._held = False
        self._stopped = False
        self._ended = False
        self._lost: ContactLost | None = None
        self._news = asyncio.Event()

    def put(self, stream: int, data: bytes) -> None:
        """Called by the transport."""
        self._entries.append((stream, data))
        self._size += len(data)
        self._full = self._full or self._size > HIGH_WATER
        self._steer()
        self._news.set()

    def end(self, lost: ContactLost | None = None) -> None:
        """Called by the transport: nothing more will come. What came before is still given out."""
        if not self._ended:
            self._ended, self._lost = True, lost
            self._news.set()

    async def get(self) -> tuple[int, bytes] | None:
        """The next (stream, bytes); None at the end; raises ContactLost when the connection went."""
        while not self._entries:
            if self._lost is not None:
                raise self._lost
            if self._ended:
                return None
            self._news.clear()
            await self._news.wait()
        stream, data = self._entries.popleft()
        self._size -= len(data)
        self._full = self._full and self._size > LOW_WATER
        self._steer()
        return stream, data

    def hold(self, held: bool) -> None:
        """Stop or go on reading on the consumer's wish."""
        self._held = held
        self._steer()

    def _steer(self) -> None:
        stop = (self._full or self._held) and not self._ended
        if stop != self._stopped:
            self._stopped = stop
            if stop:
                self._pause_reading()
            elif not self._ended:
                self._resume_reading()


class Pipe(Protocol):
    """A running command on a host."""

    @property
    def inbox(self) -> Inbox: ...

    async def send(self, data: bytes) -> bool:
        """Write to its stdin; waits while the transport is full.

        False when nobody takes it any more: the inbox, read to its end, tells why.
        """

    def send_eof(self) -> None:
        """End its stdin."""

    async def close(self) -> None:
        """Leave it: both ends are closed here. What it detached goes on."""
