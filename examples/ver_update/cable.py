"""The cable between browser and server: a small TCP proxy, so that there is something to cut.

Nothing here belongs to Channels or livefeed. Only sockets are cut: the request that asks
for the cut comes through the same cable, and wants an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

# After a cut no socket gets through for this long: time enough to lose lines.
OUTAGE_S = 2.0


class Cable:
    """Passes each connection on to the server until somebody cuts it."""

    def __init__(self) -> None:
        self._sockets: set[asyncio.StreamWriter] = set()
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

    def cut(self) -> int:
        """Cut all sockets, in mid-word if need be; the answer is how many there were."""
        self._whole_at = asyncio.get_running_loop().time() + OUTAGE_S
        sockets = list(self._sockets)
        for writer in sockets:
            writer.transport.abort()
        return len(sockets)

    async def _pass_on(self, browser_says: asyncio.StreamReader, to_browser: asyncio.StreamWriter) -> None:
        with suppress(
            OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError
        ):
            request = await browser_says.readuntil(b"\r\n\r\n")
            is_socket = b"\r\nupgrade: websocket\r\n" in request.lower()
            if is_socket and asyncio.get_running_loop().time() < self._whole_at:
                return to_browser.transport.abort()
            server_says, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
            if is_socket:
                self._sockets.add(to_browser)
            to_server.write(request)
            ways = [_copy(browser_says, to_server), _copy(server_says, to_browser)]
            tasks = [asyncio.create_task(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            to_server.close()
        to_browser.close()
        self._sockets.discard(to_browser)
        return None


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()


cable = Cable()
