"""What both forms of the demo set up: an installation, a fleet in it, and the console as a process."""

from __future__ import annotations

import fcntl
import json
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rollcast.demo.children import Child, ChildFailed

ACTOR: Final = "cli:demo"
OPERATOR: Final = "demo"


@dataclass(frozen=True)
class Stage:
    """The running demo."""

    home: Path
    fleet: Child
    console: Child
    url: str
    hosts: int

    def sign_in_link(self) -> str:
        """A link that signs the demo's operator in, once."""
        from rollcast.config.sign_in import sign_in_link

        return sign_in_link(self.url, OPERATOR, ACTOR)

    @property
    def host_folders(self) -> Path:
        """Where the hosts' folders lie, by name."""
        return self.home / "fleet" / "hosts"


@contextmanager
def set_up(
    home: Path, *, hosts: int, speed: float, port: int, ports_from: int, quiet: bool
) -> Iterator[Stage]:
    """Start everything and end it on the way out: console first, then the fleet's power.

    `quiet`: the children's stderr goes to files in `home`. Raises ChildFailed, OSError.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        lock = stack.enter_context((home / "demo.lock").open("a"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ChildFailed(f"a demo is running in {home} already; end it or give another --home") from None
        fleet = Child(
            "demo fleet",
            [
                *(sys.executable, "-m", "rollcast.demo.fleet", "--lifeline"),
                *("--folder", str(home / "fleet"), "--hosts", str(hosts)),
                *("--speed", str(speed), "--ports-from", str(ports_from)),
            ],
            home / "fleet.log" if quiet else None,
        )
        stack.callback(fleet.end)
        _prepare_installation(home)
        _import_fleet(Path(fleet.await_ready()["inventory"]))
        console = Child(
            "console",
            [
                *(sys.executable, "-m", "rollcast.cli", "up", "--json", "--lifeline"),
                *("--home", str(home), "--port", str(port)),
            ],
            home / "console.log" if quiet else None,
        )
        stack.callback(console.end)
        yield Stage(home, fleet, console, str(console.await_ready()["url"]), hosts)


def free_port(wanted: int) -> int:
    """`wanted` if nobody listens there, else 0: let the console choose."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
    return wanted


def _prepare_installation(home: Path) -> None:
    from rollcast.config.boot import configure
    from rollcast.demo.builds import put_files

    configure(home)
    put_files(home)


def _import_fleet(inventory: Path) -> None:
    from rollcast.fleet.actions import import_host_rows

    import_host_rows(json.loads(inventory.read_text("utf-8")), inventory.name, ACTOR)
