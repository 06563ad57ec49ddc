"""Which pages may open a socket: as Rollcast ships it, exactly; as docs/mounting.md has it, by host name."""

from __future__ import annotations

from typing import Any

import pytest
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from channels.testing import WebsocketCommunicator
from django.urls import path
from pytest_django import Settings

from livefeed.protocol import SUBPROTOCOL
from livefeed.routing import websocket_urlpatterns
from livefeed.sign_in import session_user_stack
from rollcast.config.asgi import application

pytestmark = pytest.mark.django_db(transaction=True)

ALLOWED = ["https://ops.example", "http://[::1]:8420", "http://localhost:8420"]
HOSTS = ["ops.example", "[::1]", "localhost"]
# Origin, and whether it may in: shipped, mounted.
ORIGINS = [
    ("https://ops.example", True, True),
    ("https://ops.example:443", True, True),
    ("https://OPS.example", True, True),
    ("https://ops.example/a/path", True, True),  # no browser sends one; the origin is the same
    ("http://[::1]:8420", True, True),
    ("http://localhost:8420", True, True),
    ("http://ops.example", False, True),
    ("https://ops.example:8443", False, True),
    ("http://[::1]:8421", False, True),
    ("http://[::2]:8420", False, False),
    ("http://127.0.0.1:8420", False, False),
    ("https://ops.example.", False, False),
    ("https://sub.ops.example", False, False),
    ("https://ops.example.evil.example", False, False),
    ("https://ops.example@evil.example", False, False),
    ("https://evil.example/ops.example", False, False),
    ("https://evil.example", False, False),
    ("ops.example", False, False),
    ("file://", False, False),
    ("null", False, False),
    ("", False, False),
    (None, False, False),
]


async def may_in(app: Any, where: str, origin: str | None) -> bool:
    """Is the handshake finished? (Nobody is signed in: 4501 follows.)"""
    headers = [(b"host", b"ops.example")] + ([] if origin is None else [(b"origin", origin.encode())])
    socket = WebsocketCommunicator(app, where, headers=headers, subprotocols=[SUBPROTOCOL])
    connected, _ = await socket.connect()
    if connected:
        assert (await socket.receive_output())["code"] == 4501
    await socket.send_input({"type": "websocket.disconnect", "code": 1006})
    await socket.wait()
    return connected


@pytest.mark.parametrize(("origin", "shipped", "mounted"), ORIGINS)
async def test_an_origin_is_let_in_or_not(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, origin: str | None, shipped: bool, mounted: bool
) -> None:
    monkeypatch.setattr(application.application_mapping["websocket"], "allowed_origins", ALLOWED)
    assert await may_in(application, "/livefeed/", origin) == shipped

    settings.ALLOWED_HOSTS = HOSTS
    theirs_under: Any = URLRouter(websocket_urlpatterns)
    routes: list[Any] = [path("ops/", theirs_under)]
    sockets = session_user_stack(URLRouter(routes))
    theirs = ProtocolTypeRouter({"websocket": AllowedHostsOriginValidator(sockets)})
    assert await may_in(theirs, "/ops/livefeed/", origin) == mounted
