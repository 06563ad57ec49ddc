"""Hosts over SSH, by asyncssh: one connection per host, a channel per command.

The options are tuned: key files and host keys are objects that were parsed once, no configuration file,
agent or Kerberos is asked, AES-GCM comes first, and output is taken as bytes by callbacks. Together that
costs a fourth to a tenth of the defaults. A `conn.run()` would swallow a lost connection; the callback is
told.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import Final
from weakref import WeakKeyDictionary

import asyncssh
from typing_extensions import override

from rollcast.remote.connection import RunnerConnection
from rollcast.remote.connector import ConnectOptions, HostSpec
from rollcast.remote.connectors.ssh_keys import client_keys, key_text, kinds_wanted, pinned_keys
from rollcast.remote.errors import (
    AuthFailed,
    ContactLost,
    HostKeyChanged,
    HostKeyUnknown,
    RemoteError,
    RunnerError,
    Unreachable,
)
from rollcast.remote.journal import STDERR, STDOUT
from rollcast.remote.pipe import HIGH_WATER, Inbox, Pipe

KEX: Final = (
    "mlkem768x25519-sha256",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
)
CIPHERS: Final = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
)
# A goodbye is a courtesy: a host that does not answer it is left all the same.
CLOSE_S: Final = 2.0

_handshakes: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _handshake_slot(cap: int) -> asyncio.Semaphore:
    """The loop's cap on handshakes at a time: their arithmetic would hold up every other host's lines."""
    return _handshakes.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(cap))


class SshConnector:
    """Reaches hosts by SSH."""

    def __init__(self, options: ConnectOptions) -> None:
        self._options = options

    async def connect(self, spec: HostSpec) -> SshConnection:
        """See `connector.Connector.connect`."""
        pinned = pinned_keys(spec)
        keys = await client_keys(spec)
        async with _handshake_slot(self._options.handshakes):
            return await self._handshake(spec, keys, pinned)

    async def _handshake(
        self, spec: HostSpec, keys: list[asyncssh.SSHKey], pinned: list[asyncssh.SSHKey]
    ) -> SshConnection:
        connection = SshConnection(spec, self._options)
        where = f"{spec.name} ({spec.address} port {spec.port})"
        limit_s = self._options.connect_timeout_s + self._options.login_timeout_s
        client = _Client(connection)
        try:
            # asyncssh's own limits leave gaps, such as a name that does not resolve: this one has none.
            async with asyncio.timeout(limit_s):
                await self._connect(spec, keys, pinned, client)
        except asyncssh.HostKeyNotVerifiable as error:
            raise _host_key_error(where, client.presented, pinned) from error
        except asyncssh.PermissionDenied as error:
            raise AuthFailed(
                f"{where} does not let {spec.username!r} in with this key: add its public half to "
                f"that user's authorized_keys, or set another user or key file"
            ) from error
        except TimeoutError as error:
            raise Unreachable(f"{where} did not answer by SSH within {limit_s:g} s") from error
        except asyncssh.Error as error:
            raise Unreachable(f"{where}: no SSH connection: {error.reason or error}") from error
        except socket.gaierror as error:
            raise Unreachable(f"{where}: this address cannot be looked up: {error.strerror}") from error
        except OSError as error:
            raise Unreachable(f"{where}: {os.strerror(error.errno) if error.errno else error}") from error
        return connection

    async def _connect(
        self, spec: HostSpec, keys: list[asyncssh.SSHKey], pinned: list[asyncssh.SSHKey], client: _Client
    ) -> None:
        await asyncssh.create_connection(
            lambda: client,
            spec.address,
            spec.port,
            username=spec.username,
            client_keys=keys,
            known_hosts=lambda _host, _address, _port: (pinned, [], []),
            server_host_key_algs=kinds_wanted(pinned),
            config=None,
            agent_path=None,
            agent_forwarding=False,
            gss_kex=False,
            gss_auth=False,
            host_based_auth=False,
            kbdint_auth=False,
            password_auth=False,
            preferred_auth=["publickey"],
            x509_trusted_certs=None,
            x509_trusted_cert_paths=[],
            kex_algs=KEX,
            encryption_algs=CIPHERS,
            compression_algs=["none"],
            connect_timeout=self._options.connect_timeout_s,
            login_timeout=self._options.login_timeout_s,
            keepalive_interval=self._options.keepalive_s,
            keepalive_count_max=self._options.keepalive_count,
        )


def _host_key_error(
    where: str, presented: asyncssh.SSHKey | None, pinned: list[asyncssh.SSHKey]
) -> RemoteError:
    if presented is None:
        return Unreachable(f"{where}: its host key cannot be read")
    text = key_text(presented)
    if pinned:
        return HostKeyChanged(
            f"{where} shows another host key than the pinned one: {presented.get_fingerprint()}. "
            "Trust it only if you know why it changed",
            text,
        )
    return HostKeyUnknown(
        f"{where} is not known yet: it shows the host key {presented.get_fingerprint()}. "
        "Compare it with the host's own and trust it",
        text,
    )


class _Client(asyncssh.SSHClient):
    """Remembers the key that was presented, and hears of the connection's end."""

    def __init__(self, connection: SshConnection) -> None:
        self._connection = connection
        self.presented: asyncssh.SSHKey | None = None

    @override
    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection.made(conn)

    @override
    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        # Asked only about keys that are not pinned.
        self.presented = key
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.lost(exc)


class SshConnection(RunnerConnection):
    """One SSH connection and its channels."""

    def __init__(self, spec: HostSpec, options: ConnectOptions) -> None:
        super().__init__(spec, options)
        self._ssh: asyncssh.SSHClientConnection | None = None
        self._closed = False
        self._why = "the connection was closed"

    def made(self, ssh: asyncssh.SSHClientConnection) -> None:
        """asyncssh has a transport."""
        self._ssh = ssh

    def lost(self, error: Exception | None) -> None:
        """asyncssh has none any more."""
        self._closed = True
        if error is not None:
            self._why = f"the SSH connection was lost: {error}"

    @property
    @override
    def closed(self) -> bool:
        return self._closed

    def contact_lost(self, error: Exception | None) -> ContactLost:
        """The error to raise for a channel that went with `error`."""
        return ContactLost(f"{self.spec.name}: {error or self._why}")

    @override
    async def open_pipe(self, command: str) -> Pipe:
        if self._ssh is None or self._closed:
            raise self.contact_lost(None)
        pipe = _ChannelPipe(self)
        try:
            await self._ssh.create_session(lambda: pipe, command, encoding=None, window=HIGH_WATER)
        except asyncssh.ChannelOpenError as error:
            if self._closed:
                raise self.contact_lost(None) from error
            raise RunnerError(f"{self.spec.name} opens no further session: {error.reason}") from error
        except (asyncssh.Error, OSError) as error:
            raise self.contact_lost(error) from error
        return pipe

    @override
    async def close(self) -> None:
        self._closed = True
        if self._ssh is not None:
            self._ssh.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._ssh.wait_closed()
            self._ssh.abort()


class _ChannelPipe(asyncssh.SSHClientSession[bytes]):
    """One channel that runs a command."""

    def __init__(self, connection: SshConnection) -> None:
        self._connection = connection
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._gone = False
        self._inbox = Inbox(lambda: self._read(False), lambda: self._read(True))

    @property
    def inbox(self) -> Inbox:
        return self._inbox

    # Called by asyncssh

    @override
    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan

    @override
    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self._inbox.put(STDERR if datatype == asyncssh.EXTENDED_DATA_STDERR else STDOUT, data)

    @override
    def eof_received(self) -> bool:
        return True  # our own end stays open: the channel's end is told by connection_lost

    @override
    def pause_writing(self) -> None:
        self._may_write.clear()

    @override
    def resume_writing(self) -> None:
        self._may_write.set()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        lost = exc is not None or self._connection.closed
        self._inbox.end(self._connection.contact_lost(exc) if lost else None)
        self._may_write.set()

    # Called by us

    async def send(self, data: bytes) -> bool:
        if self._channel is None or self._gone or self._channel.is_closing():
            return False
        self._channel.write(data)
        await self._may_write.wait()
        return not self._gone

    def send_eof(self) -> None:
        if self._channel is not None and not self._gone and not self._channel.is_closing():
            self._channel.write_eof()

    async def close(self) -> None:
        if self._channel is not None and not self._gone:
            self._channel.close()

    def _read(self, wanted: bool) -> None:
        if self._channel is not None and not self._gone:
            if wanted:
                self._channel.resume_reading()
            else:
                self._channel.pause_reading()
