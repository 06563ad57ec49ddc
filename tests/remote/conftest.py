"""Fixtures: a host reached in each way, its runner interpreted by each shell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rollcast.remote.connector import Connection
from tests.remote.hosts import (
    SHELLS,
    WAYS,
    Host,
    Shell,
    Way,
    demo_host,
    local_host,
    openssh_host,
    shell_command,
)

HostFactory = Callable[[Way, Shell], Host]


@pytest.fixture(scope="session")
def host_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostFactory]:
    """A host by way and shell; servers start when first asked for and end with the session."""
    folder = tmp_path_factory.mktemp("remote")
    started: dict[Way, Host] = {}
    with ExitStack() as servers:

        def host(way: Way, shell: Shell) -> Host:
            command = shell_command(shell, folder / f"bin-{shell}")
            if way not in started:
                match way:
                    case "local":
                        started[way] = local_host(folder / "local")
                    case "demo":
                        started[way] = servers.enter_context(demo_host(folder / "demo"))
                    case "sshd":
                        started[way] = servers.enter_context(openssh_host(folder / "sshd"))
            return started[way].with_shell(command)

        yield host


@pytest.fixture(params=[(way, shell) for way in WAYS for shell in SHELLS], ids=lambda pair: "-".join(pair))
def any_host(request: pytest.FixtureRequest, host_of: HostFactory) -> Host:
    """Every way with every shell."""
    return host_of(*request.param)


@pytest.fixture(params=SHELLS)
def shell_host(request: pytest.FixtureRequest, host_of: HostFactory) -> Host:
    """This machine with every shell: for what the runner decides, whoever calls it."""
    return host_of("local", request.param)


@pytest.fixture(params=["demo", "sshd"])
def ssh_host(request: pytest.FixtureRequest, host_of: HostFactory) -> Host:
    """Both SSH servers, with the shell of this machine."""
    return host_of(request.param, "dash")


@pytest.fixture
def local(host_of: HostFactory) -> Host:
    """This machine."""
    return host_of("local", "dash")


@pytest.fixture
async def connected(shell_host: Host) -> AsyncIterator[Connection]:
    """A connection to `shell_host`."""
    connection = await shell_host.connect()
    yield connection
    await connection.close()


@pytest.fixture
def fresh_home(tmp_path: Path) -> Host:
    """This machine with a home in which nothing of ours ever was."""
    return local_host(tmp_path / "home")
