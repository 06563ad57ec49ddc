"""Hosts to test on: this machine by the local connector, the demo fleet's server, and Debian's own sshd.

Whichever it is, its home is a folder here, so that a test can look at what lies on the host.
"""

from __future__ import annotations

import asyncio
import getpass
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import asyncssh

from rollcast.remote.connector import Connection, ConnectOptions, HostSpec, step_directory
from rollcast.remote.connectors import open_connection
from tests.demo.fleets import running_fleet
from tests.missing import need
from tests.waiting import eventually

Way = Literal["local", "demo", "sshd"]
Shell = Literal["dash", "bash", "busybox"]
WAYS: Final[tuple[Way, ...]] = ("local", "demo", "sshd")
SHELLS: Final[tuple[Shell, ...]] = ("dash", "bash", "busybox")

# Short enough for a test of a dead host, long enough for a busy machine.
OPTIONS: Final = ConnectOptions(connect_timeout_s=10, login_timeout_s=20, keepalive_s=5)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Host:
    """A host and its home folder."""

    spec: HostSpec
    home: Path

    async def connect(self) -> Connection:
        return await open_connection(self.spec, OPTIONS)

    def with_shell(self, shell_command: str) -> Host:
        return replace(self, spec=replace(self.spec, shell=shell_command))

    def new_directory(self) -> str:
        """A step's folder that nobody used yet."""
        return step_directory(f"epoch-{os.getpid()}", next(_numbers), 1, 0, 1)

    def run_folder(self, directory: str) -> Path:
        return self.home / directory / "run"


def shell_command(shell: Shell, folder: Path) -> str:
    """A `HostSpec.shell` under which every `sh` is that shell; for busybox with no tools but its own."""
    if shell == "busybox":
        busybox = need("busybox")
        if not folder.exists():
            folder.mkdir(parents=True)
            subprocess.run([busybox, "--install", "-s", str(folder)], check=True)
        return f"env PATH={folder} sh"
    program = need(shell)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "sh").exists():
        (folder / "sh").symlink_to(program)
    return f"env PATH={folder}:/usr/bin:/bin {program}"


def local_host(home: Path) -> Host:
    home.mkdir(parents=True, exist_ok=True)
    spec = HostSpec("here", "localhost", 0, getpass.getuser(), None, (), connector="local", home=str(home))
    return Host(spec, home)


@contextmanager
def demo_host(folder: Path, by: Sequence[str] = ()) -> Iterator[Host]:
    """The demo fleet's server with one host, as a process of its own; `by`: see `running_fleet`."""
    with running_fleet(folder, hosts=1, by=by) as fleet:
        row = fleet.rows[0]
        spec = HostSpec(
            row["name"], row["address"], int(row["port"]), row["user"], row["key_file"], (row["host_key"],)
        )
        yield Host(spec, fleet.home(row["name"]))


@contextmanager
def openssh_host(folder: Path, *, home: Path | None = None, also: str = "") -> Iterator[Host]:
    """Debian's sshd on a high port of loopback, run by the user who runs the tests; `also` configures it."""
    sshd = need("sshd")
    if os.getuid() == 0:  # it insists on this folder when root starts it
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    home = home or folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    server_key, client_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    for name, key in (("host_key", server_key), ("client", client_key)):
        key.write_private_key(str(folder / name))
        (folder / name).chmod(0o600)
    client_key.write_public_key(str(folder / "authorized_keys"))
    port = free_port()
    (folder / "config").write_text(
        f"""
        Port {port}
        ListenAddress 127.0.0.1
        HostKey {folder}/host_key
        AuthorizedKeysFile {folder}/authorized_keys
        PidFile none
        UsePAM no
        StrictModes no
        PasswordAuthentication no
        PermitRootLogin prohibit-password
        SetEnv HOME={home}
        {also}
        """,
        "utf-8",
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "config")], stderr=log)
    try:
        eventually(lambda: answers(port), what="sshd listens")
        public = server_key.export_public_key().decode().split()
        spec = HostSpec(
            "debian", "127.0.0.1", port, getpass.getuser(), str(folder / "client"), (" ".join(public[:2]),)
        )
        yield Host(spec, home)
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    """A port of loopback that nobody listens on, below the range of outgoing connections."""
    for port in itertools.count(20_000 + os.getpid() % 5_000 * 2 + next(_numbers)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def strange_host() -> Iterator[int]:
    """The port of an SSH server whose host key is new each time, in a thread of its own."""
    ready = threading.Event()
    made: list[Any] = []

    async def serve() -> None:
        stop = asyncio.Event()
        key = asyncssh.generate_private_key("ssh-ed25519")
        server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[key])
        made.extend([asyncio.get_running_loop(), stop, server.get_port()])
        ready.set()
        await stop.wait()
        server.close()
        await server.wait_closed()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield made[2]
    finally:
        made[0].call_soon_threadsafe(made[1].set)
        thread.join(10)
