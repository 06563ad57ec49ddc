"""Hosts to test on: this machine by the local connector, the demo fleet's server, and Debian's own sshd.

Whichever it is, its home is a folder here, so that a test can look at what lies on the host.
"""

from __future__ import annotations

import asyncio
import getpass
import itertools
import os
import random
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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


class Sshd:
    """Debian's sshd."""

    def __init__(self, program: str, folder: Path, port: int) -> None:
        self._command = [program, "-D", "-e", "-f", str(folder / "config")]
        self._log = folder / "log"
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Listen."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stderr=log)
        eventually(lambda: answers(self._port), what="sshd listens")

    def stop(self) -> None:
        """End it and cut its connections; what was started on the host goes on."""
        if self._process is None:
            return
        family = {self._process.pid}
        while more := {pid for pid, parent in _sshds() if parent in family} - family:
            family |= more
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(10)
        self._process = None


def _sshds() -> list[tuple[int, int]]:
    """(pid, parent) of every process of sshd: its listener, and one or two for each connection."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                name, _, rest = (entry / "stat").read_text().rpartition(")")
                if name.partition("(")[2].startswith("sshd"):
                    found.append((int(entry.name), int(rest.split()[1])))
    return found


@dataclass(frozen=True)
class Host:
    """A host and its home folder; `server`: its sshd, where it is one that a test may stop."""

    spec: HostSpec
    home: Path
    server: Sshd | None = None

    async def connect(self) -> Connection:
        return await open_connection(self.spec, OPTIONS)

    def with_shell(self, shell_command: str) -> Host:
        return replace(self, spec=replace(self.spec, shell=shell_command))

    def new_directory(self) -> str:
        """A step's folder that nobody used yet."""
        return step_directory(f"epoch-{os.getpid()}", next(_numbers), 1, 0, 1)

    def gate(self, directory: str) -> str:
        """A script's words that wait until the gate is opened; a step's own, as many tests share a host."""
        return f"until [ -e {directory}/go ]; do sleep 0.1; done"

    def open_gate(self, directory: str) -> None:
        (self.home / directory / "go").touch()

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
    public = server_key.export_public_key().decode().split()
    spec = HostSpec(
        "debian", "127.0.0.1", port, getpass.getuser(), str(folder / "client"), (" ".join(public[:2]),)
    )
    server = Sshd(sshd, folder, port)
    server.start()
    try:
        yield Host(spec, home, server)
    finally:
        server.stop()


def free_port() -> int:
    """A port of loopback that nobody listens on, below the range of outgoing connections.

    By chance: tests that run beside each other must not choose the same one before either listens.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


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
