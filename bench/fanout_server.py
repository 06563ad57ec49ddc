"""A server of `bench.fanout_vs_tutorial`, as a process: `python -m bench.fanout_server ours|rival HOME`.

`ours` is the application that `rollcast up` serves, and appends a tick's lines together as the worker does.
`rival` is what the Channels tutorial teaches: a consumer in a group, and a `group_send` a line. Both run
under the launcher's socket options and uvicorn settings, and make their lines in the server's own process.

It prints a line of JSON when it listens, and one for each word on its stdin: `flow` (make lines;
{"sent": N}), `cpu` ({"cpu_s": the process's CPU seconds so far}). It ends with its stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import uvicorn
from typing_extensions import override

from bench.output import lines
from rollcast.config.boot import configure, operator, origins_of
from rollcast.config.launcher import listening_socket, uvicorn_settings

ADDRESS: Final = "127.0.0.1"
LINES_A_SECOND: Final = 100
SECONDS: Final = 3
FEED: Final = "rollout/1"
GROUP: Final = "lines"


class Ours:
    """The shipped application."""

    path = "/livefeed/"

    def __init__(self) -> None:
        from livefeed import Chunk, append
        from rollcast.conf import option
        from rollcast.config.asgi import application

        self.application: Any = application
        self._tick_s: float = option("RECORD_TICK_S")
        self._mark = 0
        append(FEED, [Chunk("t1", "line", ["ready"])])  # a feed is made by its first append

    async def flow(self, texts: list[str]) -> None:
        """Append what has come about since the last tick."""
        from livefeed import Chunk, aappend

        began, sent = time.monotonic(), 0
        while sent < len(texts):
            await asyncio.sleep(self._tick_s)
            due = texts[sent : int((time.monotonic() - began) * LINES_A_SECOND)]
            if due:
                before = self._mark
                self._mark += sum(len(text) + 1 for text in due)
                await aappend(FEED, [Chunk("t1", "line", due, "t1/s0/a1", before, self._mark)])
                sent += len(due)


class Rival:
    """The tutorial's application: the in-memory layer with its defaults, and nothing is stored."""

    path = "/ws/lines/"

    def __init__(self) -> None:
        import django.urls
        from channels.auth import AuthMiddlewareStack
        from channels.layers import InMemoryChannelLayer, channel_layers
        from channels.routing import ProtocolTypeRouter, URLRouter
        from channels.security.websocket import OriginValidator
        from django.conf import settings
        from django.core.asgi import get_asgi_application

        self._layer = InMemoryChannelLayer()
        channel_layers.set("default", self._layer)
        consumer: Any = _tutorial_consumer()
        routes = URLRouter([django.urls.path("ws/lines/", consumer.as_asgi())])
        socket = OriginValidator(AuthMiddlewareStack(routes), settings.ORIGINS)
        self.application: Any = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": socket})

    async def flow(self, texts: list[str]) -> None:
        """Send each line when it comes about."""
        began = time.monotonic()
        for number, text in enumerate(texts):
            await asyncio.sleep(max(0.0, began + number / LINES_A_SECOND - time.monotonic()))
            await self._layer.group_send(GROUP, {"type": "line", "text": text})


def _tutorial_consumer() -> Any:
    from channels.generic.websocket import AsyncWebsocketConsumer

    class LineConsumer(AsyncWebsocketConsumer):
        @override
        async def connect(self) -> None:
            await self.channel_layer.group_add(GROUP, self.channel_name)
            await self.accept()

        @override
        async def disconnect(self, code: int) -> None:
            await self.channel_layer.group_discard(GROUP, self.channel_name)

        async def line(self, event: dict[str, Any]) -> None:
            await self.send(text_data=json.dumps({"message": event["text"]}))

    return LineConsumer


def cookie_of(username: str) -> str:
    """The Cookie header of a session in which this operator is signed in."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    user = operator(username)
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def answer(said: dict[str, Any]) -> None:
    """A line for the process that started us."""
    print(json.dumps(said), flush=True)


async def obey(side: Ours | Rival) -> None:
    """Do what stdin says until it ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while word := (await reader.readline()).strip():
        if word == b"flow":
            texts = lines(LINES_A_SECOND * SECONDS)
            await side.flow(texts)
            answer({"sent": len(texts)})
        else:
            answer({"cpu_s": time.process_time()})


async def serve(listener: Any, side: Ours | Rival) -> None:
    """Serve for as long as stdin is open."""
    server = uvicorn.Server(uvicorn_settings(side.application))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await obey(side)
    finally:
        server.should_exit = True
        await serving


def main() -> None:
    """Set up, say where, serve."""
    name, home = sys.argv[1:]
    listener = listening_socket(ADDRESS, 0)
    port = int(listener.getsockname()[1])
    # All viewers are one user's.
    Path(home).mkdir(parents=True, exist_ok=True)
    (Path(home) / "settings.yml").write_text("LIVEFEED:\n  MAX_PER_USER: 1000\n")
    configure(Path(home), origins=origins_of(ADDRESS, port), log_level="ERROR")
    side: Ours | Rival = Ours() if name == "ours" else Rival()
    answer({"port": port, "path": side.path, "cookie": cookie_of("bench"), "feed": FEED})
    asyncio.run(serve(listener, side))


if __name__ == "__main__":
    main()
