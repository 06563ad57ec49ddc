"""A TCP proxy between the account's client and the console, which breaks what passes when told to."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

_CHUNK = 64 * 1024


class CuttingProxy:
    """Forwards connections from a port of its own (`port`) to the console's; start it on a loop."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._links: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._link, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> int:
        """Break every connection in the middle of whatever passes; the answer is how many there were."""
        linked = [writers for writers in self._links.values() if len(writers) == 2]
        for writer in (writer for writers in linked for writer in writers):
            raw: socket.socket = writer.get_extra_info("socket")
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            writer.transport.abort()
        return len(linked)

    async def close(self) -> None:
        """Listen no more and break what is left."""
        if self._server is not None:
            self._server.close()
        for task in list(self._links):
            task.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        assert me is not None
        writers = self._links[me] = [writer]
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
            writers.append(back)
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        except OSError:
            return
        finally:
            del self._links[me]
            for one in writers:
                one.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, and its end; OSError once either side is broken."""
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
