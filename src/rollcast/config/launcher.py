"""Starts the console under uvicorn with the settings a long-lived socket needs.

Four of them are not the defaults and each was measured:

* `TCP_USER_TIMEOUT` on the listening socket, inherited by every accepted one: a peer that stopped reading is
  otherwise never reported to the application, because the ping's close waits behind the bytes it cannot send.
* A send buffer of 256 KiB: the kernel otherwise takes 4 MiB for each stalled reader before `send()` blocks.
* `TCP_NODELAY`, which asyncio does not set on sockets handed to it: a short message otherwise waits up to
  40 ms for the acknowledgement of the one before.
* No permessage-deflate: twice the CPU and up to seven times the memory of a socket.

What uvicorn's own settings cannot say is in `rollcast.config.protocols`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn
from typing_extensions import override

import livefeed
from rollcast.config.protocols import Requests, Socket

if TYPE_CHECKING:
    from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope


TCP_USER_TIMEOUT_MS = 30_000  # unacknowledged bytes for this long: the peer is gone
SEND_BUFFER_BYTES = 256 * 1024  # one full ack window of the feed protocol
BACKLOG = 2048  # a whole company's browsers come back at once after a restart
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 30, 10, 3
WS_MAX_BYTES = 64 * 1024  # the protocol refuses 16 KiB itself, with a close code of its own
WS_PING_S, WS_PING_TIMEOUT_S = 20.0, 60.0  # proxies cut idle sockets at 60 s; slow phones answer late
GRACEFUL_S = 10  # after the drain: a stalled client must not hold up a restart


class AddressInUse(OSError):
    """The port is taken; the message says which and what to do."""


def listening_socket(host: str, port: int) -> socket.socket:
    """A listening TCP socket with our options; raises AddressInUse."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in (
        ("TCP_USER_TIMEOUT", TCP_USER_TIMEOUT_MS),
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", KEEPALIVE_COUNT),
    ):
        if hasattr(socket, name):  # Linux has all four; elsewhere the proxy's own limits must do
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)  # only now is the port ours: SO_REUSEADDR lets two sockets bind
    except OSError as error:
        listener.close()
        raise AddressInUse(
            f"cannot listen on {host} port {port}: {error.strerror}. Choose another one with --port."
        ) from error
    return listener


def answering_lifespan(application: ASGI3Application) -> ASGI3Application:
    """`application` behind an answer to `lifespan`, which ProtocolTypeRouter refuses. Nothing may need it."""

    async def outer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "lifespan":
            await application(scope, receive, send)
            return
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await send({"type": "lifespan.shutdown.complete"})
                return

    return outer


def uvicorn_settings(application: ASGI3Application) -> uvicorn.Config:
    """How uvicorn is to serve long-lived sockets of this application."""
    return uvicorn.Config(
        answering_lifespan(application),
        http=Requests,
        ws=Socket,
        ws_max_size=WS_MAX_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=WS_PING_S,
        ws_ping_timeout=WS_PING_TIMEOUT_S,
        timeout_graceful_shutdown=GRACEFUL_S,
        # Behind a proxy the client's address, which livefeed counts by, is what that one says. Believed are
        # the proxies that FORWARDED_ALLOW_IPS names: without it those on this machine.
        proxy_headers=True,
        lifespan="on",
        access_log=False,  # its lines hold query strings
        server_header=False,
        log_config=None,
    )


class Server(uvicorn.Server):
    """uvicorn's server that says when it accepts connections, and drains the live feed before it ends."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._on_ready()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's own closes every socket at once, with 1012: that is for those who do not leave in time.

        Until then pages are answered as ever.
        """
        try:
            await livefeed.drain()
        finally:
            await super().shutdown(sockets=sockets)


class Console:
    """The web process: bind first (the port decides the allowed origins), then configure Django, then run."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self._wanted_port = port
        self._listener: socket.socket | None = None

    def bind(self) -> int:
        """Take the port (0 = a free one) and return it; raises AddressInUse."""
        self._listener = listening_socket(self.host, self._wanted_port)
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        """Give the port back without having run."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until SIGINT or SIGTERM. `rollcast.config.boot.configure` must have run."""
        from rollcast.config.asgi import application

        if self._listener is None:
            self.bind()
        try:
            Server(uvicorn_settings(application), on_ready).run(
                sockets=[self._listener] if self._listener else None
            )
        except KeyboardInterrupt:
            return  # uvicorn raises the signal again after its orderly shutdown
