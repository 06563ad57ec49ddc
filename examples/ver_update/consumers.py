"""The classic Channels way: one consumer object for each open socket, and nothing left when it closes."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from typing_extensions import override

from ver_update.update import PAUSE_S, TOTAL, result


def name_of(scope: Any) -> str:
    """Whose socket this is."""
    return str(scope["user"].username)


def opened_by(scope: Any) -> str:
    """User, path and session of a socket: `scope` is to a consumer what `request` is to a view.

    AuthMiddlewareStack has put user and session there, and has loaded them: reading them asks no database.
    """
    return f"{name_of(scope)} · {scope['path']} · visit {scope['session'].get('visits', 0)}"


def message_in(text_data: str | None) -> str:
    """The text of `{"message": "…"}`; empty for anything else."""
    try:
        return str(json.loads(text_data or "")["message"])
    except (ValueError, TypeError, KeyError):
        return ""


class ChatConsumer(WebsocketConsumer):
    """ws/chat/, synchronous: runs in a thread, so it may use the ORM, and may block, as a view may."""

    @override
    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        answer = {"message": f"结果: {message_in(text_data)}", "from": opened_by(self.scope)}
        self.send(text_data=json.dumps(answer))


class UpdateConsumer(AsyncWebsocketConsumer):
    """ws/ver_update/, asynchronous: ten results, one by one.

    All sockets share one loop: `time.sleep` here would stop every one of them. And Channels hands a consumer
    one message at a time: a loop in `connect` would not even hear that the browser has gone. So the work is
    a task of its own.
    """

    @override
    async def connect(self) -> None:
        await self.accept()
        self.work = asyncio.create_task(self.update())

    async def update(self) -> None:
        """Send the results to this one socket: whatever it does not receive, nobody ever will."""
        with suppress(OSError):  # the browser went while we were sending
            await self.send(text_data=json.dumps({"from": opened_by(self.scope)}))
            for number in range(1, TOTAL + 1):
                await asyncio.sleep(PAUSE_S)
                await self.send(text_data=json.dumps({"message": result(number)}))
            await self.close()

    @override
    async def disconnect(self, code: int) -> None:
        self.work.cancel()


class GroupConsumer(AsyncWebsocketConsumer):
    """ws/group/: what one browser says, the channel layer brings to all that are connected at that moment."""

    group = "everybody"

    @override
    async def connect(self) -> None:
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    @override
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        said = {"message": message_in(text_data), "from": name_of(self.scope)}
        await self.channel_layer.group_send(self.group, {"type": "chat.message", **said})

    async def chat_message(self, event: dict[str, str]) -> None:
        """Called by the layer for each `chat.message`."""
        await self.send(text_data=json.dumps({"message": event["message"], "from": event["from"]}))

    @override
    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)
