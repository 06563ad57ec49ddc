"""Bad networks on loopback: a proxy that cuts or freezes, and a port that speaks no SSH."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

_Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class CuttingProxy:
    """Passes connections on to `port`; aborts one after `down` bytes to the client or `up` bytes to the host.

    A budget of None is endless. That is what a NAT box, a dying switch or a pulled cable do to a connection.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._streams: set[asyncio.StreamWriter] = set()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self.port = 0
        self.down: int | None = None
        self.up: int | None = None
        self.cuts = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._to)
        pair = (writer, server_writer)
        self._streams.update(pair)
        pumps = [
            asyncio.create_task(self._pump(reader, server_writer, self.up)),
            asyncio.create_task(self._pump(server_reader, writer, self.down)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for stream in pair:
                stream.transport.abort()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._streams.difference_update(pair)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: int | None
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(4096):
                await self._thawed.wait()
                if budget is not None:
                    data, budget = data[:budget], budget - len(data)
                writer.write(data)
                await writer.drain()
                if budget is not None and budget <= 0:
                    self.cuts += 1
                    return

    def cut_all(self) -> None:
        for stream in self._streams:
            stream.transport.abort()

    def freeze(self) -> None:
        """Keep all connections and pass nothing on."""
        self._thawed.clear()


@asynccontextmanager
async def cutting_proxy(port: int) -> AsyncIterator[CuttingProxy]:
    proxy = CuttingProxy(port)
    async with _listening(proxy.serve) as proxy.port:
        yield proxy


@asynccontextmanager
async def greeter(greeting: bytes | None) -> AsyncIterator[int]:
    """A port that says `greeting` and then nothing; with None it hangs up at once."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if greeting is not None:
                writer.write(greeting)
                with suppress(OSError):
                    while await reader.read(4096):
                        pass
        finally:
            writer.transport.abort()

    async with _listening(serve) as port:
        yield port


@asynccontextmanager
async def _listening(serve: _Serve) -> AsyncIterator[int]:
    """A port whose connections `serve` handles; all of them are over when this ends."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.CancelledError):
            await serve(reader, writer)
        tasks.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
