"""A TCP proxy that cuts: after exactly N bytes or N WebSocket frames, by RST or FIN, in either direction.

It can also be an HTTP proxy that lets no WebSocket through (`strips_upgrade`) or no stream (`holds_streams`),
or a black hole, as a network is whose cable was pulled: nothing comes through and nobody is told.
It runs in a thread of its own, so that synchronous tests (a browser's) and asynchronous ones use it alike.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from typing_extensions import override

from tests.waiting import POLL_S

UPGRADE = re.compile(rb"\r\n(?:upgrade: websocket|connection: upgrade)(?=\r\n)", re.IGNORECASE)
EVENT_STREAM = re.compile(rb"\r\ncontent-type: text/event-stream", re.IGNORECASE)


@dataclass(frozen=True)
class Cut:
    """Where a connection ends: `frames` whole WebSocket frames after the handshake, then `size` bytes.

    Without `frames`, `size` counts from the first byte of the connection. "down" is server to client.
    """

    size: int = 0
    frames: int | None = None
    direction: Literal["down", "up"] = "down"
    how: Literal["rst", "fin"] = "rst"
    last_words: bytes = b""  # sent to the client before a FIN: a close frame, say


class ChaosProxy:
    """Forwards to `target`; each new connection takes the next planned cut. None, or no more: no cut."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._host = target[0]
        self._ports = [target[1]]
        self.port = 0
        self.connections = 0
        self.cuts = 0
        self.strips_upgrade = False  # a handshake arrives as an ordinary request
        self.holds_streams = False  # an event stream is held back until it ends
        self._plan: Iterator[Cut | None] = iter(())
        self._links: set[_Link] = set()
        self._halves: set[_Half] = set()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos proxy", daemon=True)

    def __enter__(self) -> ChaosProxy:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the chaos proxy did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def plan(self, cuts: Iterable[Cut | None]) -> None:
        """What the next connections meet with."""
        self._do(lambda: setattr(self, "_plan", iter(cuts)))

    def cut_all(self, how: Literal["rst", "fin"] = "rst") -> int:
        """Cut every connection now; the answer is how many there were."""
        return self._do(lambda: sum(link.cut(how) for link in list(self._links)))

    def swallow_all(self) -> int:
        """Nothing more comes through on any connection of now, and no end is told: both are half-open."""
        return self._do(lambda: sum(link.swallow() for link in list(self._links)))

    def retarget(self, *ports: int) -> None:
        """New connections go to these ports of the same host in turn."""
        self._do(lambda: setattr(self, "_ports", list(ports)))

    @property
    def target(self) -> tuple[str, int]:
        """Where the newest connection goes."""
        return self._host, self._ports[self.connections % len(self._ports)]

    def _do(self, call: Callable[[], int | None]) -> int:
        async def run() -> int:
            return call() or 0

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await self._loop.create_server(lambda: _Link(self).client, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        await server.wait_closed()
        while self._halves:
            for half in list(self._halves):
                half.abandon()
            await asyncio.sleep(POLL_S)

    def half_opened(self, half: _Half) -> None:
        """A socket of ours is open: none may be left over."""
        self._halves.add(half)

    def half_closed(self, half: _Half) -> None:
        """It is closed."""
        self._halves.discard(half)

    def opened(self, link: _Link) -> Cut | None:
        """A new connection: its fate."""
        self.connections += 1
        self._links.add(link)
        return next(self._plan, None)

    def closed(self, link: _Link) -> None:
        """A connection is over."""
        self._links.discard(link)


class _Link:
    """One connection through the proxy: two halves and the cut that awaits it."""

    def __init__(self, proxy: ChaosProxy) -> None:
        self.proxy = proxy
        self.cut_at: Cut | None = None
        self.swallowing = False
        self.client = _Half(self, "up")
        self.server = _Half(self, "down")
        self.client.other, self.server.other = self.server, self.client

    async def dial(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.server, *self.proxy.target)
        except OSError:
            self.cut("rst")

    def swallow(self) -> int:
        self.swallowing = True
        return 1

    def cut(self, how: str) -> int:
        for half in (self.client, self.server):
            if half.transport is None or half.transport.is_closing():
                continue
            if how == "rst":
                raw: socket.socket = half.transport.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                half.transport.abort()
            else:
                if half is self.client and self.cut_at is not None:
                    half.transport.write(self.cut_at.last_words)
                half.transport.close()
        return 1


class _Half(asyncio.Protocol):
    """One side. `direction` is where the bytes that come in on it are going."""

    other: _Half

    def __init__(self, link: _Link, direction: str) -> None:
        self.link = link
        self.direction = direction
        self.transport: asyncio.Transport | None = None
        self.early = bytearray()
        self.meter: _Meter | None = None
        self.held: bytearray | None = None
        self.dialling: asyncio.Task[None] | None = None

    def abandon(self) -> None:
        """Let go of everything at once."""
        if self.dialling is not None:
            self.dialling.cancel()
        if self.transport is not None:
            self.transport.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.link.proxy.half_opened(self)
        raw: socket.socket = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.direction == "up":
            self.link.cut_at = cut = self.link.proxy.opened(self.link)
            if cut is not None:
                half = self if cut.direction == "up" else self.other
                half.meter = _Meter(cut)
            self.dialling = asyncio.create_task(self.link.dial())
        elif self.other.early and self.other.transport is not None:
            transport.write(bytes(self.other.early))
            self.other.early.clear()

    @override
    def data_received(self, data: bytes) -> None:
        if self.link.swallowing:
            return
        if self.direction == "up" and self.link.proxy.strips_upgrade:
            data = UPGRADE.sub(b"", data)
        if self.direction == "down" and self.link.proxy.holds_streams and EVENT_STREAM.search(data):
            self.held = bytearray()
        if self.held is not None:
            self.held += data
            return
        allowed = len(data) if self.meter is None else self.meter.allow(data)
        if self.other.transport is None:
            self.early += data[:allowed]
        else:
            self.other.transport.write(data[:allowed])
        if self.meter is not None and self.meter.spent:
            self.link.proxy.cuts += 1
            self.link.cut(self.link.cut_at.how if self.link.cut_at else "rst")

    @override
    def pause_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.pause_reading()

    @override
    def resume_writing(self) -> None:
        if self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.link.proxy.half_closed(self)
        self.link.proxy.closed(self.link)
        if self.link.swallowing:
            return
        if self.other.transport is not None and not self.other.transport.is_closing():
            if self.held:
                self.other.transport.write(bytes(self.held))
            self.other.transport.close()


class _Meter:
    """How many of the bytes that come may still pass: finds the offset of the cut and counts up to it."""

    def __init__(self, cut: Cut) -> None:
        self.spent = False
        self._cut = cut
        self._seen = 0  # bytes of the stream so far
        self._limit = cut.size if cut.frames is None else None
        self._parsed = 0  # offset at which `_rest` begins
        self._rest = bytearray()
        self._frames: int | None = None  # None: the handshake is not over

    def allow(self, data: bytes) -> int:
        """How many bytes of `data` may pass; sets `spent` when that was the last."""
        begin = self._seen
        self._seen += len(data)
        if self._limit is None:
            self._rest += data
            self._parse(self._cut.frames or 0)
        if self._limit is None or self._seen < self._limit:
            return len(data)
        self.spent = True
        return self._limit - begin

    def _parse(self, wanted: int) -> None:
        if self._frames is None:
            end = self._rest.find(b"\r\n\r\n")
            if end < 0:
                return
            self._drop(end + 4)
            self._frames = 0
        while self._frames < wanted and (size := _frame_size(self._rest)) <= len(self._rest):
            self._drop(size)
            self._frames += 1
        if self._frames == wanted:
            self._limit = self._parsed + self._cut.size

    def _drop(self, size: int) -> None:
        del self._rest[:size]
        self._parsed += size


def _frame_size(data: bytearray) -> int:
    """The length of the WebSocket frame that begins here; more than there is, if it is not all there."""
    if len(data) < 2:
        return len(data) + 1
    mask = 4 if data[1] & 0x80 else 0
    length = data[1] & 0x7F
    if length < 126:
        return 2 + mask + length
    width = 2 if length == 126 else 8
    if len(data) < 2 + width:
        return len(data) + 1
    return 2 + width + mask + int.from_bytes(data[2 : 2 + width], "big")
