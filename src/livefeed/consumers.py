"""The WebSocket shell around `livefeed.conversation`, in Channels' shape: `as_asgi()`, `scope`, no layer.

Its `__call__` is its own: Channels' dispatch handles one message at a time and would not see a disconnect
while a send is blocked by a slow peer, and takes a hop over the process's one shared thread for each
message. Here a reader task hears the client and a writer task talks to it; the end of either ends the other.

Origins are the business of Channels' OriginValidator around this.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import closing
from typing import Any

from channels.consumer import AsyncConsumer
from typing_extensions import override

from livefeed import protocol
from livefeed.conf import option
from livefeed.connections import Refused
from livefeed.conversation import Conversation, conversing
from livefeed.protocol import CloseCode
from livefeed.sending import SendDeadline

logger = logging.getLogger(__name__)

# What servers raise when something is sent on a socket that is closed.
SERVER_CLOSED = (OSError, RuntimeError)
# What a server can that answers a handshake with an HTTP status of our choosing.
DENIAL = "websocket.http.response"


class Gone(Exception):
    """The peer is no longer there."""


class FeedConsumer(AsyncConsumer):
    """One socket. `scope["user"]` and `scope["session"]` come from the middleware around it."""

    @override
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        self._receive, self._raw_send = receive, send
        message = await receive()
        if message["type"] != "websocket.connect":
            return
        try:
            await self._greet_and_talk()
        except Gone:
            return
        except Exception:
            logger.exception("a live socket failed; its client comes back with its cursor")
            await self._close_quietly(CloseCode.ERROR)

    async def _greet_and_talk(self) -> None:
        try:
            with conversing(self.scope, "socket") as conversation:
                if not await self._accept():
                    conversation.close(CloseCode.SUBPROTOCOL)
                    return await self._close_quietly(CloseCode.SUBPROTOCOL)
                return await self._talk(conversation)
        except Refused as refused:
            return await self._refuse(refused)

    async def _refuse(self, refused: Refused) -> None:
        """Before the handshake ends, where the server can, what no browser need see; else by a close code."""
        if not refused.unseen or DENIAL not in (self.scope.get("extensions") or ()):
            await self._accept()
            return await self._close_quietly(refused.code)
        headers = [(b"retry-after", str(refused.retry_s).encode()), (b"content-length", b"0")]
        await self._send({"type": f"{DENIAL}.start", "status": refused.status, "headers": headers})
        return await self._send({"type": f"{DENIAL}.body", "body": b""})

    async def _accept(self) -> bool:
        """Finish the handshake; does the client speak our protocol?"""
        spoken = protocol.SUBPROTOCOL in self.scope.get("subprotocols", ())
        chosen = {"subprotocol": protocol.SUBPROTOCOL} if spoken else {}
        await self._send({"type": "websocket.accept"} | chosen)
        return spoken

    async def _talk(self, conversation: Conversation) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                hearing = group.create_task(self._hear(conversation))
                writing = group.create_task(self._write(conversation))
                tasks = [hearing, writing, group.create_task(conversation.recheck())]
                for task in (hearing, writing):
                    task.add_done_callback(lambda _: [each.cancel() for each in tasks])
        except* Gone:
            logger.debug("the peer of a live socket is gone")

    async def _hear(self, conversation: Conversation) -> None:
        while True:
            await conversation.ready_to_hear()
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                conversation.left_with = message.get("code")
                return
            await conversation.hear(message.get("text"))

    async def _write(self, conversation: Conversation) -> None:
        task = asyncio.current_task()
        assert task is not None
        with closing(SendDeadline(option("ACK_TIMEOUT_S"), task.cancel)) as deadline:
            while (text := await conversation.next_message()) is not None:
                deadline.since = time.monotonic()
                try:
                    await self._raw_send({"type": "websocket.send", "text": text})
                except SERVER_CLOSED as error:
                    raise Gone from error
                deadline.since = None
        await self._close_quietly(conversation.close_code or CloseCode.ERROR)

    async def _send(self, message: dict[str, Any]) -> None:
        """Send with a deadline of its own; raises Gone."""
        try:
            async with asyncio.timeout(option("ACK_TIMEOUT_S")):
                await self._raw_send(message)
        except (*SERVER_CLOSED, TimeoutError) as error:
            raise Gone from error

    async def _close_quietly(self, code: int) -> None:
        try:
            await self._send({"type": "websocket.close", "code": int(code)})
        except Gone:
            return
