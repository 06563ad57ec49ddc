"""Browsers as cheap as can be: WebSocket frames by hand, so that a viewer never holds up the server.

`FeedViewer` speaks docs/protocol.md as feed.js does: it applies what joins its cursor, and acknowledges.
`PlainViewer` only counts the messages that it gets.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
from typing import Any, Final

from typing_extensions import override

TEXT: Final = 0x1
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
# Half of the window that the server begins with; or this long after the first event (protocol, section 3).
ACK_BYTES: Final = 8 * 1024
ACK_S: Final = 0.25


class PlainViewer(asyncio.Protocol):
    """One socket; `lines` are those that it got."""

    subprotocol = ""

    def __init__(self, server: dict[str, Any]) -> None:
        self.lines = 0
        self.lost = ""  # why this socket is of no use any more
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._server = server
        self._buffer = bytearray()
        self._open = False
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        host = f"127.0.0.1:{self._server['port']}"
        key = base64.b64encode(os.urandom(16)).decode()
        head = [
            f"GET {self._server['path']} HTTP/1.1",
            f"Host: {host}",
            f"Origin: http://{host}",
            f"Cookie: {self._server['cookie']}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        ]
        if self.subprotocol:
            head.append(f"Sec-WebSocket-Protocol: {self.subprotocol}")
        transport.write("\r\n".join([*head, "", ""]).encode())

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            head, found, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self._lose(head[:60].decode(errors="replace"))
                return
            self._open = True
            self._buffer = bytearray(rest)
            self.opened()
        while self._take_frame():
            pass

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(f"connection lost: {exc}")

    def opened(self) -> None:
        """The handshake is done."""
        self.ready.set_result(None)

    def message(self, payload: bytes) -> None:
        """A text message came."""
        self.lines += 1

    def send(self, opcode: int, payload: bytes) -> None:
        """A short frame; its mask is zero, which is a mask."""
        assert self._transport is not None
        assert len(payload) < 2**16
        size = (
            bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack("!H", len(payload))
        )
        self._transport.write(bytes([0x80 | opcode]) + size + b"\0\0\0\0" + payload)

    def leave(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.abort()

    def _take_frame(self) -> bool:
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        size, begin = buffer[1] & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            begin += width
            size = int.from_bytes(buffer[2:begin])
        if len(buffer) < begin + size:
            return False
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[begin : begin + size])
        del buffer[: begin + size]
        if opcode == TEXT:
            self.message(payload)
        elif opcode == PING:
            self.send(PONG, payload)
        elif opcode == CLOSE:
            self._lose(f"closed {int.from_bytes(payload[:2])}")
        return True

    def _lose(self, why: str) -> None:
        self.lost = self.lost or why
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(why))


class FeedViewer(PlainViewer):
    """A subscription to the server's feed, from its beginning."""

    subprotocol = "livefeed.v1"

    def __init__(self, server: dict[str, Any]) -> None:
        super().__init__(server)
        self._unacknowledged = 0
        self._due: asyncio.TimerHandle | None = None

    @override
    def opened(self) -> None:
        self._say(t="hello", client="bench/1")
        self._say(t="sub", id=1, feed=self._server["feed"], epoch=None, after=0)

    @override
    def message(self, payload: bytes) -> None:
        message = json.loads(payload)
        if message["t"] == "ev":
            self._apply(message, len(payload))
        elif message["t"] == "caught_up":
            if not self.ready.done():
                self.ready.set_result(None)
        elif message["t"] in {"err", "reset"}:
            self._lose(payload.decode())

    def _apply(self, message: dict[str, Any], size: int) -> None:
        if message["prev"] != self.lines:
            self._lose(f"events after {message['prev']}, cursor at {self.lines}")
            return
        self.lines += sum(len(group[5]) for group in message["g"])
        if self.lines != message["to"]:
            self._lose(f"events up to {self.lines} of {message['to']}")
        self._unacknowledged += size
        if self._unacknowledged >= ACK_BYTES:
            self._acknowledge()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(ACK_S, self._acknowledge)

    def _acknowledge(self) -> None:
        if self._due is not None:
            self._due.cancel()
        self._due, self._unacknowledged = None, 0
        if not self.lost:
            self._say(t="ack", id=1, seq=self.lines)

    def _say(self, **message: Any) -> None:
        self.send(TEXT, json.dumps(message).encode())
