"""A raw peer of the consumer, in process: says and hears the messages of docs/protocol.md one by one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import pairwise
from types import TracebackType
from typing import Any

from asgiref.testing import ApplicationCommunicator
from django.db import connection

from livefeed.consumers import FeedConsumer
from livefeed.protocol import SUBPROTOCOL
from livefeed.sign_in import session_user_stack
from tests.livefeed.oracle import Applied

DEADLINE_S = 10


class Closed(Exception):
    """The server has closed the socket."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


class Denied(Exception):
    """The server has answered the handshake with an HTTP status."""

    def __init__(self, status: int, retry_after: str) -> None:
        super().__init__(str(status))
        self.status, self.retry_after = status, retry_after


class Peer:
    """`async with Peer(user) as peer`: connected, and with `greet` already past `hello`.

    With a `cookie` the user is whoever that signs in, by the way of a real project. `scope` is what
    middleware and server add besides the user: `session`, `client`, `extensions`.
    """

    def __init__(
        self,
        user: Any = None,
        *,
        cookie: str | None = None,
        subprotocols: tuple[str, ...] = (SUBPROTOCOL,),
        greet: bool = True,
        **scope: Any,
    ) -> None:
        scope |= {"type": "websocket", "path": "/livefeed/", "subprotocols": list(subprotocols)}
        application = FeedConsumer.as_asgi()
        if cookie is None:
            scope["user"] = user
        else:
            scope["headers"] = [(b"cookie", cookie.encode())]
            application = session_user_stack(application)
        communicator: Any = ApplicationCommunicator  # asgiref's has no types
        self._wire = communicator(application, scope)
        self._greet = greet

    async def __aenter__(self) -> Peer:
        await self._wire.send_input({"type": "websocket.connect"})
        accepted = await self._wire.receive_output(DEADLINE_S)
        if accepted["type"] == "websocket.http.response.start":
            await self._wire.receive_output(DEADLINE_S)
            await self._wire.wait(DEADLINE_S)
            raise Denied(accepted["status"], dict(accepted["headers"])[b"retry-after"].decode())
        assert accepted["type"] == "websocket.accept"
        self.subprotocol = accepted.get("subprotocol")
        if self._greet:
            await self.say(t="hello", client="test")
            assert (await self.hear())["t"] == "welcome"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._wire.send_input({"type": "websocket.disconnect", "code": 1005})
        await self._wire.wait(DEADLINE_S)

    async def say(self, **message: Any) -> None:
        """Send a message."""
        await self.say_text(json.dumps(message))

    async def say_text(self, text: str) -> None:
        """Send anything."""
        await self._wire.send_input({"type": "websocket.receive", "text": text})

    async def sub(self, feed: str, after: Any = 0, epoch: str | None = None, number: int = 1) -> None:
        """Ask for a feed."""
        await self.say(t="sub", id=number, feed=feed, epoch=epoch, after=after)

    async def hear(self) -> dict[str, Any]:
        """The next message; raises Closed."""
        message = await self._wire.receive_output(DEADLINE_S)
        if message["type"] == "websocket.close":
            raise Closed(message["code"])
        heard: dict[str, Any] = json.loads(message["text"])
        return heard

    async def hear_until(self, kind: str) -> list[dict[str, Any]]:
        """Messages up to the first of this kind, that one included; events are acknowledged."""
        heard: list[dict[str, Any]] = []
        while True:
            message = await self.hear()
            heard.append(message)
            await self._acknowledge(message)
            if message["t"] == kind:
                return heard

    async def close_code(self, heard: list[dict[str, Any]] | None = None, acknowledging: bool = False) -> int:
        """Hear on until the server closes; what came before is added to `heard`."""
        while True:
            try:
                message = await self.hear()
            except Closed as closed:
                return closed.code
            if heard is not None:
                heard.append(message)
            if acknowledging:
                await self._acknowledge(message)

    async def _acknowledge(self, message: dict[str, Any]) -> None:
        if message["t"] == "ev":
            await self.say(t="ack", id=message["id"], seq=message["to"])


async def off_loop(call: Callable[..., Any], *args: Any, **fields: Any) -> Any:
    """Run database work in a thread, whose connection is closed again."""

    def run() -> Any:
        try:
            return call(*args, **fields)
        finally:
            connection.close()

    return await asyncio.to_thread(run)


def events(heard: list[dict[str, Any]]) -> Applied:
    """What these messages add up to; each must join the one before."""
    applied = Applied()
    messages = [message for message in heard if message["t"] == "ev"]
    for one, next_one in pairwise(messages):
        assert next_one["prev"] == one["to"]
    for message in messages:
        applied.add_groups(message["g"])
    return applied


async def assert_is_log(applied: Applied, feed: str, after: int = 0) -> None:
    await off_loop(applied.assert_is_log, feed, after)
