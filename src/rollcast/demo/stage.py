"""What both forms of the demo set up: an installation, a fleet in it, and the console as a process."""

from __future__ import annotations

import asyncio
import fcntl
import json
import random
import shutil
import socket
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar

from rollcast.config.boot import SETTINGS as SHIPPED
from rollcast.demo.children import Child, ChildFailed
from rollcast.demo.crew import Crew, crew_of
from rollcast.demo.hosts import ADDRESS, PORTS_END

T = TypeVar("T")

ACTOR: Final = "cli:demo"
OPERATOR: Final = "demo"
# A console that is started again needs its port again: our fleets look below this, and from PORTS_END on
# Linux gives ports to outgoing connections.
CONSOLES_FROM: Final = 30_000
_TRIES: Final = 200


@dataclass(frozen=True)
class Stage:
    """The running demo."""

    home: Path
    fleet: Child
    crew: Crew
    url: str
    hosts: int
    speed: float

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
    home: Path,
    *,
    hosts: int,
    speed: float,
    port: int,
    ports_from: int,
    quiet: bool,
    workers: int = 0,
    settings: str = SHIPPED,
) -> Iterator[Stage]:
    """Start everything and end it on the way out: console first, then the fleet's power.

    `workers` beside the console; 0: it has one in its own process. `settings`: dotted path of the console's.
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
        crew = crew_of(home, port=port, workers=workers, quiet=quiet, settings=settings)
        stack.callback(crew.end)
        yield Stage(home, fleet, crew, crew.start(), hosts, speed)


async def kept(stage: Stage, work: Coroutine[Any, Any, T]) -> T:
    """The outcome of the work, while the crew is kept; ChildFailed once a process has ended by itself."""
    keeping = [*(asyncio.create_task(post.keep()) for post in stage.crew.posts)]
    keeping.append(asyncio.create_task(_watch(stage.fleet)))
    working = asyncio.create_task(work)
    try:
        await asyncio.wait([working, *keeping], return_when=asyncio.FIRST_COMPLETED)
        for task in keeping:
            if task.done():
                await task
        return working.result()
    finally:
        for one in (working, *keeping):
            one.cancel()
        await asyncio.gather(working, *keeping, return_exceptions=True)


async def _watch(child: Child) -> None:
    code = await child.ended()
    raise ChildFailed(f"the {child.name} ended by itself (exit code {code})")


@contextmanager
def temporary_home(prefix: str) -> Iterator[Path]:
    """A folder that is gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield home
    finally:
        shutil.rmtree(home)


def tell_why(home: Path) -> None:
    """An account that does not close is a fault of ours: say what the processes said."""
    for log in sorted(home.glob("*.log")):
        if text := log.read_text("utf-8", "replace").strip():
            print(f"--- {log.name}\n{text[-8000:]}", file=sys.stderr, flush=True)


def free_port(wanted: int = 0) -> int:
    """`wanted` if nobody listens there, else one that nobody is given while the console is started again."""
    tried = chain(
        [wanted] if wanted else [], (random.randrange(CONSOLES_FROM, PORTS_END) for _ in range(_TRIES))
    )
    for port in tried:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((ADDRESS, port))
                return port
    raise ChildFailed("there is no free port for the console: give one with --port")


def _prepare_installation(home: Path) -> None:
    from rollcast.config.boot import configure
    from rollcast.demo.builds import put_files

    configure(home)
    put_files(home)


def _import_fleet(inventory: Path) -> None:
    from rollcast.fleet.actions import import_host_rows

    import_host_rows(json.loads(inventory.read_text("utf-8")), inventory.name, ACTOR)
