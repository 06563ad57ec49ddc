"""One host of the demo fleet: an SSH server on loopback that runs real shell commands as the current user.

Bytes are moved by our own pumps between the channel and the command's pipes, with back-pressure both ways:
asyncssh's `process.redirect` drops the whole connection when one channel is closed early.

As with OpenSSH's server, a cut connection ends no command: its pipes are closed, which a follower notices and
a detached step does not. Whatever was started is reaped when it ends.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
import struct
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import asyncssh
from typing_extensions import override

from rollcast.demo.hosts import ADDRESS, DemoHost

# What one read takes from a pipe: Linux's default pipe holds as much.
CHUNK: Final = 64 * 1024
ENCRYPTION: Final = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr")


class HostServer:
    """One host's SSH server. It may be closed and listen again: what was started on the host goes on."""

    def __init__(self, host: DemoHost, port: int, speed: float, client_key: asyncssh.SSHKey) -> None:
        self.host = host
        self.port = port
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self._environment = host.environment(speed)
        self._client_key = client_key
        self._acceptor: asyncssh.SSHAcceptor | None = None

    async def listen(self) -> None:
        """Start it; raises OSError if the port is taken."""
        public_key = self._client_key.export_public_key().decode()
        self._acceptor = await asyncssh.listen(
            ADDRESS,
            self.port,
            server_factory=lambda: _Server(self.host, self._environment, self.connections),
            server_host_keys=[str(self.host.key_file)],
            authorized_client_keys=asyncssh.import_authorized_keys(public_key),
            config=None,
            encryption_algs=ENCRYPTION,
            compression_algs=["none"],
            gss_host=None,
            password_auth=False,
            kbdint_auth=False,
            keepalive_interval=30,
            login_timeout=30,
            backlog=64,
        )

    def close(self) -> None:
        """Take no further connections; those that there are stay."""
        if self._acceptor is not None:
            self._acceptor.close()

    def cut(self) -> int:
        """Break every connection in the middle of whatever it sends; the answer is how many there were."""
        cut = list(self.connections)
        for connection in cut:
            raw: socket.socket = connection.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() is a reset
            connection.abort()
        return len(cut)


class _Server(asyncssh.SSHServer):
    """Lets the current user in by key and gives each session a shell command."""

    def __init__(
        self,
        host: DemoHost,
        environment: dict[str, str],
        connections: set[asyncssh.SSHServerConnection],
    ) -> None:
        self._host = host
        self._environment = environment
        self._connections = connections
        self._connection: asyncssh.SSHServerConnection | None = None

    @override
    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._connections.discard(self._connection)

    @override
    def begin_auth(self, username: str) -> bool:
        return True

    @override
    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return False

    @override
    def session_requested(
        self,
    ) -> bool | tuple[asyncssh.SSHServerChannel[bytes], asyncssh.SSHServerSession[bytes]]:
        connection = self._connection
        if connection is None or connection.get_extra_info("username") != getpass.getuser():
            return False
        channel: asyncssh.SSHServerChannel[bytes] = connection.create_server_channel(encoding=None)
        return channel, CommandSession(self._host, self._environment)


class CommandSession(asyncssh.SSHServerSession[bytes]):
    """One command: its process, its three pipes, and the channel they are pumped to and from."""

    def __init__(self, host: DemoHost, environment: dict[str, str]) -> None:
        self._host = host
        self._environment = environment
        self._command = ""
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._outputs: dict[int, int | None] = {}  # pipe → SSH data type
        self._stdin = -1
        self._to_stdin = bytearray()
        self._stdin_ended = False
        self._exit_code: int | None = None

    @override
    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    @override
    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    @override
    def shell_requested(self) -> bool:
        self._command = "exec /bin/sh"
        return True

    @override
    def session_started(self) -> None:
        stdin, self._stdin = os.pipe()
        out, stdout = os.pipe()
        err, stderr = os.pipe()
        process = subprocess.Popen(
            ["/bin/sh", "-c", self._command],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=self._host.folder,
            env=self._environment,
            start_new_session=True,
        )
        for theirs in (stdin, stdout, stderr):
            os.close(theirs)
        for ours in (self._stdin, out, err):
            os.set_blocking(ours, False)
        self._outputs = {out: None, err: asyncssh.EXTENDED_DATA_STDERR}
        self._read_outputs(True)
        reap(process, self._process_ended)

    # From the command to the channel

    def _read_outputs(self, wanted: bool) -> None:
        loop = asyncio.get_running_loop()
        for pipe in self._outputs:
            if wanted:
                loop.add_reader(pipe, self._output_ready, pipe)
            else:
                loop.remove_reader(pipe)

    def _output_ready(self, pipe: int) -> None:
        try:
            data = os.read(pipe, CHUNK)
        except BlockingIOError:
            return
        if data and self._channel is not None:
            self._channel.write(data, self._outputs[pipe])
            return
        asyncio.get_running_loop().remove_reader(pipe)
        os.close(pipe)
        del self._outputs[pipe]
        self._end_if_done()

    @override
    def pause_writing(self) -> None:
        self._read_outputs(False)

    @override
    def resume_writing(self) -> None:
        self._read_outputs(True)

    def _process_ended(self, code: int) -> None:
        self._exit_code = code
        self._end_if_done()

    def _end_if_done(self) -> None:
        """The end is said after the last byte: when the process is gone and nobody holds its outputs."""
        if self._exit_code is None or self._outputs or self._channel is None:
            return
        if self._exit_code < 0:
            self._channel.exit(128 - self._exit_code)
        else:
            self._channel.exit(self._exit_code)

    # From the channel to the command

    @override
    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if self._stdin < 0:
            return
        waiting = bool(self._to_stdin)
        self._to_stdin += data
        if not waiting:
            self._feed_stdin()
        if self._to_stdin and self._channel is not None:
            self._channel.pause_reading()

    @override
    def eof_received(self) -> bool:
        self._stdin_ended = True
        if not self._to_stdin:
            self._close_stdin()
        return True  # the channel stays open for the command's output

    def _feed_stdin(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            written = os.write(self._stdin, self._to_stdin)
        except BlockingIOError:
            written = 0
        except BrokenPipeError:
            self._close_stdin()
            return
        del self._to_stdin[:written]
        if self._to_stdin:
            loop.add_writer(self._stdin, self._feed_stdin)
            return
        loop.remove_writer(self._stdin)
        if self._stdin_ended:
            self._close_stdin()
        elif self._channel is not None:
            self._channel.resume_reading()

    def _close_stdin(self) -> None:
        if self._stdin >= 0:
            asyncio.get_running_loop().remove_writer(self._stdin)
            os.close(self._stdin)
            self._stdin = -1
        self._to_stdin.clear()
        if self._channel is not None:
            self._channel.resume_reading()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._channel = None
        self._close_stdin()
        self._read_outputs(False)
        for pipe in self._outputs:
            os.close(pipe)
        self._outputs.clear()


def reap(process: subprocess.Popen[bytes], ended: Callable[[int], None]) -> None:
    """Call `ended(code)` when the process is gone; a descriptor to wait on, not a thread for each."""
    loop = asyncio.get_running_loop()
    descriptor = os.pidfd_open(process.pid)

    def gone() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        with suppress(BrokenPipeError):  # the channel may close between its last byte and this
            ended(process.wait())

    loop.add_reader(descriptor, gone)
