"""The cable between browser and server: a small TCP proxy, so that there is something to cut.

Nothing here belongs to Channels or livefeed. A cut spares one connection only: the request that asks for it
comes through the same cable, and wants an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

# After a cut nothing gets through for this long: time enough to lose lines.
OUTAGE_S = 2.0


class Cable:
    """Passes each connection on to the server until somebody cuts it."""

    def __init__(self) -> None:
        # By the port from which the server sees each come.
        self._connections: dict[int, asyncio.StreamWriter] = {}
        self._server_port = 0
        self._whole_at = 0.0

    @asynccontextmanager
    async def laid(self, port: int, server_port: int) -> AsyncIterator[int]:
        """Listen on `port` (0: a free one) of loopback; gives the port. Raises OSError if it is taken."""
        self._server_port = server_port
        listener = await asyncio.start_server(self._pass_on, "127.0.0.1", port)
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()

    def cut(self, asked_by: int) -> int:
        """Cut all but the connection that asks, in mid-word if need be; the answer is how many there were."""
        self._whole_at = asyncio.get_running_loop().time() + OUTAGE_S
        doomed = [writer for port, writer in self._connections.items() if port != asked_by]
        for writer in doomed:
            writer.transport.abort()
        return len(doomed)

    async def _pass_on(self, browser_says: asyncio.StreamReader, to_browser: asyncio.StreamWriter) -> None:
        port = 0
        with suppress(OSError, asyncio.CancelledError):
            server_says, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
            if asyncio.get_running_loop().time() >= self._whole_at:
                port = to_server.get_extra_info("sockname")[1]
                self._connections[port] = to_browser
                ways = [_copy(browser_says, to_server), _copy(server_says, to_browser)]
                tasks = [asyncio.create_task(way) for way in ways]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            to_server.close()
        to_browser.close()
        self._connections.pop(port, None)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()


cable = Cable()
