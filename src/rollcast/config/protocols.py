"""uvicorn's two protocols and what they lack for sockets that live long; raw sockets in the tests missed it.

* The head of a request must come within REQUEST_HEAD_S. uvicorn waits for ever, and a peer that sends a byte
  now and then keeps a connection for nothing. Between requests its own keep-alive time-out does this.
* Anything that a peer sends while a ping is out shows that it lives, not only the pong: something on the way
  may swallow pings, and acknowledgements prove more. Silence for the time-out is still the end.
* A peer that does not read gets no pong: they would pile up in our memory for as long as it sends pings.
  RFC 6455 (5.5.3) lets us answer the latest only, and the next one after it reads again is answered.
* A socket is read on while few messages wait for the application. uvicorn stops reading at each one until it
  was taken: two system calls for every acknowledgement, a twelfth of all that a line costs.
* A frame against the rules is answered by a close frame with the reason, where uvicorn just hangs up.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import h11
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from wsproto.connection import ConnectionState

if TYPE_CHECKING:
    from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

REQUEST_HEAD_S = 10.0  # one packet; two lost ones on a bad link are 3 s
MESSAGES_UNREAD = 4  # of WS_MAX_BYTES at most: a peer that is not read is held up by TCP


class Requests(H11Protocol):
    """HTTP, up to a handshake."""

    _head_timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_head()

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._await_head()
        else:
            self._stop_awaiting()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_awaiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(REQUEST_HEAD_S, self.transport.close)

    def _stop_awaiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class Socket(WSProtocol):
    """A WebSocket from its handshake on."""

    _heard_at = 0.0

    @override
    def data_received(self, data: bytes) -> None:
        self._heard_at = self.loop.time()
        super().data_received(data)

    @override
    def handle_message(self, event: TextMessage | BytesMessage) -> None:
        paused, self.read_paused = self.read_paused, True  # so that uvicorn does not pause
        super().handle_message(event)
        self.read_paused = paused
        if not paused and self.queue.qsize() >= MESSAGES_UNREAD and not self.close_sent:
            self.read_paused = True
            self.transport.pause_reading()

    @override
    def keepalive_timeout(self) -> None:
        assert self.ping_timeout is not None  # what this is the end of
        dead_at = max(self._heard_at, self.ping_sent_at) + self.ping_timeout
        if self.loop.time() < dead_at:
            self.pong_timer = self.loop.call_at(dead_at, self.keepalive_timeout)
        else:
            super().keepalive_timeout()

    @override
    def handle_close(self, event: CloseConnection) -> None:
        if self.conn.state is ConnectionState.OPEN:  # no close frame came: wsproto says how to close
            self.transport.write(self.conn.send(event))
        super().handle_close(event)

    @override
    def handle_ping(self, event: Ping) -> None:
        if self.writable.is_set():
            super().handle_ping(event)
