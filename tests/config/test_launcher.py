"""The launcher: its port, its socket options, its answer to lifespan."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from rollcast.config.boot import origins_of
from rollcast.config.launcher import AddressInUse, Console, answering_lifespan


def test_a_taken_port_is_named_with_the_cure() -> None:
    first = Console("127.0.0.1", 0)
    port = first.bind()
    with pytest.raises(AddressInUse, match=rf"port {port}: .*--port"):
        Console("127.0.0.1", port).bind()
    first.close()
    second = Console("127.0.0.1", port)
    assert second.bind() == port
    second.close()


def test_accepted_sockets_inherit_our_options() -> None:
    console = Console("127.0.0.1", 0)
    port = console.bind()
    assert console._listener is not None
    with socket.create_connection(("127.0.0.1", port)):
        accepted, _ = console._listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    console.close()


async def test_lifespan_is_answered_and_the_rest_goes_through() -> None:
    reached: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])

    outer: Any = answering_lifespan(application)
    answered: list[str] = []
    asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, str]:
        return next(asked)

    async def send(message: dict[str, str]) -> None:
        answered.append(message["type"])

    await outer({"type": "lifespan"}, receive, send)
    await outer({"type": "http"}, receive, send)
    assert answered == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert reached == ["http"]


@pytest.mark.parametrize(
    ("host", "origins"),
    [
        ("127.0.0.1", ["http://127.0.0.1:8700", "http://localhost:8700"]),
        ("10.1.2.3", ["http://10.1.2.3:8700"]),
        ("fd00::1", ["http://[fd00::1]:8700"]),
    ],
)
def test_the_allowed_origins_are_exact(
    host: str, origins: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROLLCAST_ORIGINS", raising=False)
    assert origins_of(host, 8700) == origins
    monkeypatch.setenv("ROLLCAST_ORIGINS", "https://ops.example")
    assert origins_of(host, 8700) == [*origins, "https://ops.example"]
