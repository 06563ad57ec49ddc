"""A livefeed server that a test scripts message by message, over a real socket in a thread of its own.

It speaks the wire of docs/protocol.md without any of our server code, so that the client is held against the
page and not against our other half.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.waiting import eventually

Message = dict[str, Any]
PROTOCOL = Subprotocol("livefeed.v1")
WELCOME: Message = {
    "t": "welcome",
    "conn": "c",
    "hb_s": 20,
    "dead_s": 70,
    "retry": {"first_max_ms": 20, "cap_ms": 40},
}


class Talk:
    """One connection of the client, from the server's side."""

    def __init__(self, socket: ServerConnection, loop: asyncio.AbstractEventLoop) -> None:
        self._socket = socket
        self._loop = loop
        self.heard: list[Message] = []
        self.gone = threading.Event()

    def say(self, *messages: Message) -> None:
        for message in messages:
            self._run(self._socket.send(json.dumps(message)))

    def say_raw(self, text: str) -> None:
        self._run(self._socket.send(text))

    def welcome(self, **changes: Any) -> None:
        self.hear("hello")
        self.say(WELCOME | changes)

    def hear(self, kind: str, n: int = 0) -> Message:
        """The n-th message of this kind; waits for it."""

        def said() -> list[Message]:
            return [one for one in self.heard if one["t"] == kind]

        eventually(lambda: len(said()) > n, what=f"message {kind} number {n}, heard {self.heard}")
        return said()[n]

    def close(self, code: int) -> None:
        self._run(self._socket.close(code))

    def cut(self, half: bytes = b"") -> None:
        """Drop TCP without a close frame, after raw bytes that may be the first half of a frame."""

        async def drop() -> None:
            transport = self._socket.transport
            if transport.is_closing():
                return
            if half:
                transport.write(half)
                transport.close()  # what was written still goes out, then FIN
            else:
                transport.abort()

        self._run(drop())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


class ScriptedFeed:
    """All connections so far, oldest first."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.talks: list[Talk] = []
        self.url = ""

    def talk(self, n: int) -> Talk:
        """The n-th connection; waits for it."""
        eventually(lambda: len(self.talks) > n, what=f"connection {n}")
        return self.talks[n]

    async def attend(self, socket: ServerConnection) -> None:
        talk = Talk(socket, self._loop)
        self.talks.append(talk)
        try:
            async for text in socket:
                talk.heard.append(json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            talk.gone.set()


@contextmanager
def serve_feed() -> Iterator[ScriptedFeed]:
    """The server on a port of its own, until the block is left."""
    loop = asyncio.new_event_loop()
    feed = ScriptedFeed(loop)
    thread = threading.Thread(target=loop.run_forever, name="scripted feed")
    thread.start()

    def run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return asyncio.run_coroutine_threadsafe(work(), loop).result(10)

    async def open_server() -> Server:
        return await serve(
            feed.attend, "127.0.0.1", 0, subprotocols=[PROTOCOL], ping_interval=None, compression=None
        )

    server: Server = run(open_server)

    async def close_server() -> None:
        server.close(close_connections=True)
        await server.wait_closed()

    feed.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/livefeed/"
    try:
        yield feed
    finally:
        run(close_server)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
