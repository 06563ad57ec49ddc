"""A raw peer of the consumer, in process: says and hears the messages of docs/protocol.md one by one."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any

from asgiref.testing import ApplicationCommunicator

from livefeed.consumers import FeedConsumer
from livefeed.protocol import SUBPROTOCOL

DEADLINE_S = 10


class Closed(Exception):
    """The server has closed the socket."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


class Peer:
    """`async with Peer(user) as peer`: connected, and with `greet` already past `hello`."""

    def __init__(
        self, user: Any, *, subprotocols: tuple[str, ...] = (SUBPROTOCOL,), greet: bool = True
    ) -> None:
        scope = {"type": "websocket", "path": "/livefeed/", "user": user, "subprotocols": list(subprotocols)}
        self._wire = ApplicationCommunicator(FeedConsumer.as_asgi(), scope)
        self._greet = greet

    async def __aenter__(self) -> Peer:
        await self._wire.send_input({"type": "websocket.connect"})
        accepted = await self._wire.receive_output(DEADLINE_S)
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
            if message["t"] == "ev":
                await self.say(t="ack", id=message["id"], seq=message["to"])
            if message["t"] == kind:
                return heard

    async def close_code(self) -> int:
        """Hear on until the server closes."""
        while True:
            try:
                await self.hear()
            except Closed as closed:
                return closed.code
