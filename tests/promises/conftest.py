"""Installations and hosts for the tests that kill and cut."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.promises.installation import Installation
from tests.promises.processes import Process
from tests.remote.hosts import Host, demo_host, openssh_host
from tests.waiting import eventually
from tests.worker.test_over_ssh import ThreadedProxy

NOBODY = 65534
# A copy of it that belongs to root and is setuid stands for `sudo`: what it runs is root's, as with sudo.
SETPRIV = "/usr/bin/setpriv"


@dataclass
class Site:
    """An installation with one host, `far`, and its processes: `console` and, apart from it, `workers`."""

    installation: Installation
    host: Host
    console: Process
    workers: list[Process]

    def holder(self) -> Process:
        """The process whose worker holds the only target that is under way."""

        def found() -> Process | None:
            pid = self.installation.holder()  # perhaps still one that has just been killed
            return next((process for process in (self.console, *self.workers) if process.pid == pid), None)

        process = eventually(found, 30)
        assert process is not None
        return process

    def kill_holder(self) -> None:
        """kill -9 of whoever works on the target; a console comes back, for a worker there is another."""
        killed = self.holder()
        killed.kill()
        if killed is self.console:
            self.console = self.installation.start_console()


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation whose database, static files and sign-in link were made once: tests copy it."""
    made = Installation(tmp_path_factory.mktemp("promises") / "home")
    made.start_console("--no-worker")
    made.make_link()
    made.close()
    for log in made.home.glob("*.log"):
        log.unlink()
    return made


def copied(first: Installation, home: Path) -> Installation:
    """A fresh installation in `home`."""
    shutil.copytree(first.home, home)
    return Installation(home, first.link)


@pytest.fixture
def installation(first: Installation, tmp_path: Path) -> Iterator[Installation]:
    """An installation of the test's own, whose processes it starts."""
    made = copied(first, tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
def debian(tmp_path: Path) -> Iterator[Host]:
    """Debian's sshd."""
    with openssh_host(tmp_path / "sshd") as host:
        yield host


@pytest.fixture
def far(debian: Host) -> Host:
    """The host behind the proxy."""
    return debian


@pytest.fixture
def proxy(far: Host) -> Iterator[ThreadedProxy]:
    """A network that a test may cut, before that host."""
    made = ThreadedProxy(far.spec.port)
    yield made
    made.close()


SERVERS: dict[str, Callable[[Path], AbstractContextManager[Host]]] = {"sshd": openssh_host, "demo": demo_host}
# Whether web and workers are processes of their own, and the SSH server.
SITES = {"one process": (False, "sshd"), "apart": (True, "demo")}
MORE_SITES = {"apart, Debian's sshd": (True, "sshd")}


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest, installation: Installation, tmp_path: Path) -> Iterator[Site]:
    """All in one process, and Debian's sshd; `up --no-worker` with two workers, and the demo's server."""
    apart, server = (SITES | MORE_SITES)[request.param]
    with SERVERS[server](tmp_path / "server") as host:
        yield opened(installation, host, apart=apart)


@pytest.fixture(params=SERVERS, scope="module")
def quiet_site(
    request: pytest.FixtureRequest, first: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Everything in one process, once with each SSH server; for all tests of a file that kill nothing."""
    folder = tmp_path_factory.mktemp("quiet")
    made = copied(first, folder / "home")
    with SERVERS[request.param](folder / "server") as host:
        yield opened(made, host, apart=False)
        made.close()


def opened(installation: Installation, host: Host, *, apart: bool, **columns: str) -> Site:
    """Its processes, started, and the host in its fleet (`columns`: where its row is to differ)."""
    console = installation.start_console(*(["--no-worker"] if apart else []))
    workers = [installation.start_worker() for _ in range(2 if apart else 0)]
    installation.import_host(host, **columns)
    return Site(installation, host, console, workers)


@pytest.fixture
def powerless(installation: Installation) -> Iterator[Site]:
    """A host whose user may run things as root there, and signal none of them."""
    if os.getuid() != 0:
        pytest.skip("only root can make a program that runs as another user")
    folder = Path(tempfile.mkdtemp(prefix="rollcast-nobody-"))  # pytest's own folders are root's alone
    os.chown(folder, NOBODY, NOBODY)
    by = (SETPRIV, "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    try:
        with demo_host(folder / "server", by) as host:
            shutil.copy(SETPRIV, host.home / "sudo")
            (host.home / "sudo").chmod(0o4755)
            installation.settings(RECONNECT_MAX_S=60.0)  # a worker looks again only when it is told to
            yield opened(installation, host, apart=False)
            installation.close()
            for pid in (host.home / "pids").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def small_disk(first: Installation, tmp_path: Path) -> Iterator[Installation]:
    """An installation on a disk of its own that can be filled."""
    if os.getuid() != 0:
        pytest.skip("only root can mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"NOT RUN: needs a mount: {mounted.stderr.decode().strip()}")
    try:
        made = copied(first, folder / "home")
        yield made
        made.close()
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
