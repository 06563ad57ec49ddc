"""The socket's side of "shut by default": who is refused, and how a browser can tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

import livefeed
from rollcast.config.asgi import application
from rollcast.config.boot import operator

pytestmark = pytest.mark.django_db(transaction=True)

HOME_ORIGIN = "http://testserver"
FEED = "rollout/1"


def _session_of(user: User | None) -> str:
    if user is None:
        return ""
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


async def _socket(
    user: User | None, origin: str | None, subprotocol: str = "livefeed.v1"
) -> WebsocketCommunicator:
    session = await sync_to_async(_session_of)(user)
    headers = [(b"host", b"testserver"), (b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    return WebsocketCommunicator(application, "/livefeed/", headers=headers, subprotocols=[subprotocol])


async def _user(right: bool) -> User:
    if right:
        return await sync_to_async(operator)("olga")
    return await User.objects.acreate(username="victor", is_staff=True)


async def _closed_with(socket: WebsocketCommunicator) -> int:
    while True:
        message: dict[str, Any] = await socket.receive_output(timeout=5)
        if message["type"] == "websocket.close":
            return int(message["code"])


async def _said(socket: WebsocketCommunicator, kind: str) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = json.loads(await socket.receive_from(timeout=5))
        if message["t"] == kind:
            return message


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.example",
        "https://testserver",
        "http://testserver:9999",
        "http://testserver.evil.example",
        "http://sub.testserver",
    ],
)
async def test_a_foreign_origin_is_refused_before_the_handshake(origin: str | None) -> None:
    socket = await _socket(await _user(right=True), origin)
    connected, _ = await socket.connect(timeout=10)
    assert not connected


async def test_without_sign_in_the_socket_says_so_and_closes() -> None:
    socket = await _socket(None, HOME_ORIGIN)
    connected, _ = await socket.connect(timeout=10)
    assert connected
    assert await _closed_with(socket) == 4501


async def test_without_the_right_no_feed_opens() -> None:
    await sync_to_async(livefeed.append)(FEED, [livefeed.Chunk("rollout", "note", ["secret"])])
    socket = await _socket(await _user(right=False), HOME_ORIGIN)
    await socket.connect(timeout=10)
    await socket.send_to(json.dumps({"t": "hello", "client": "test"}))
    await socket.send_to(json.dumps({"t": "sub", "id": 1, "feed": FEED, "epoch": None, "after": 0}))
    assert (await _said(socket, "err"))["code"] == "forbidden"
    assert await _closed_with(socket) == 4503


async def test_an_unknown_sub_protocol_is_refused() -> None:
    socket = await _socket(await _user(right=True), HOME_ORIGIN, "livefeed.v0")
    await socket.connect(timeout=10)
    assert await _closed_with(socket) == 4506


async def test_the_right_user_from_the_right_origin_reads() -> None:
    await sync_to_async(livefeed.append)(FEED, [livefeed.Chunk("rollout", "note", ["for you"])])
    socket = await _socket(await _user(right=True), HOME_ORIGIN)
    connected, chosen = await socket.connect(timeout=10)
    assert (connected, chosen) == (True, "livefeed.v1")
    await socket.send_to(json.dumps({"t": "hello", "client": "test"}))
    await socket.send_to(json.dumps({"t": "sub", "id": 1, "feed": FEED, "epoch": None, "after": 0}))
    assert (await _said(socket, "ev"))["g"][0][5] == ["for you"]
    await socket.disconnect()
