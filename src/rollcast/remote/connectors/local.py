"""This machine as a host: the same runner, reached by a subprocess instead of a channel.

Each command is a session of its own, as under sshd, so that a signal to our process group reaches no step.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

from typing_extensions import override

from rollcast.remote.connection import RunnerConnection
from rollcast.remote.connector import ConnectOptions, HostSpec
from rollcast.remote.errors import ContactLost, Unreachable
from rollcast.remote.pipe import Inbox, Pipe


class LocalConnector:
    """Reaches this machine; `HostSpec.home` is the home folder of what it runs."""

    def __init__(self, options: ConnectOptions) -> None:
        self._options = options

    async def connect(self, spec: HostSpec) -> LocalConnection:
        """Raises Unreachable when the home folder does not exist."""
        home = Path(spec.home) if spec.home is not None else Path.home()
        if not await asyncio.to_thread(home.is_dir):
            raise Unreachable(f"{spec.name}: the home folder {home} does not exist")
        return LocalConnection(spec, self._options, home)


class LocalConnection(RunnerConnection):
    """Runs commands as children of this process."""

    def __init__(self, spec: HostSpec, options: ConnectOptions, home: Path) -> None:
        super().__init__(spec, options)
        self._home = home
        self._pipes: set[_ProcessPipe] = set()
        self._closed = False

    @property
    @override
    def closed(self) -> bool:
        return self._closed

    @override
    async def open_pipe(self, command: str) -> Pipe:
        if self._closed:
            raise ContactLost(f"{self.spec.name}: the connection was closed")
        loop = asyncio.get_running_loop()
        try:
            _transport, protocol = await loop.subprocess_exec(
                lambda: _ProcessPipe(self._pipes),
                "/bin/sh",
                "-c",
                command,
                cwd=self._home,
                env={**os.environ, "HOME": str(self._home)},
                start_new_session=True,
            )
        except OSError as error:
            raise ContactLost(f"{self.spec.name}: /bin/sh cannot be run: {error.strerror}") from error
        return protocol

    @override
    async def close(self) -> None:
        self._closed = True
        for pipe in list(self._pipes):
            pipe.inbox.end(ContactLost(f"{self.spec.name}: the connection was closed"))
            await pipe.close()


class _ProcessPipe(asyncio.SubprocessProtocol):
    """One child and its three pipes."""

    def __init__(self, alive: set[_ProcessPipe]) -> None:
        self._alive = alive
        self._transport: asyncio.SubprocessTransport | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._gone = asyncio.Event()
        self._inbox = Inbox(lambda: self._read(False), lambda: self._read(True))

    @property
    def inbox(self) -> Inbox:
        return self._inbox

    # Called by asyncio

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self._alive.add(self)

    @override
    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        self._inbox.put(fd, cast(bytes, data))

    @override
    def pause_writing(self) -> None:
        self._may_write.clear()

    @override
    def resume_writing(self) -> None:
        self._may_write.set()

    @override
    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._may_write.set()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._transport.close()
        self._inbox.end()
        self._may_write.set()
        self._alive.discard(self)
        self._gone.set()

    # Called by us

    async def send(self, data: bytes) -> bool:
        stdin = self._stdin()
        if stdin is None or stdin.is_closing():
            return False
        stdin.write(data)
        await self._may_write.wait()
        return not stdin.is_closing()

    def send_eof(self) -> None:
        stdin = self._stdin()
        if stdin is not None and not stdin.is_closing():
            stdin.write_eof()

    async def close(self) -> None:
        """End the follower by its stdin and leave its outputs; one that ignores both is not waited for."""
        transport = self._transport
        if transport is None or self._gone.is_set():
            return
        for fd in (0, 1, 2):
            pipe = transport.get_pipe_transport(fd)
            if pipe is not None:
                cast(asyncio.Transport, pipe).close()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._gone.wait()
        transport.close()

    def _stdin(self) -> asyncio.WriteTransport | None:
        transport = self._transport
        pipe = None if transport is None else transport.get_pipe_transport(0)
        return None if pipe is None else cast(asyncio.WriteTransport, pipe)

    def _read(self, wanted: bool) -> None:
        transport = self._transport
        for fd in (1, 2):
            pipe = None if transport is None else transport.get_pipe_transport(fd)
            if pipe is not None and not pipe.is_closing():
                reading = cast(asyncio.ReadTransport, pipe)
                if wanted:
                    reading.resume_reading()
                else:
                    reading.pause_reading()


# A follower ends within milliseconds of its stdin.
CLOSE_S: Final = 5.0
