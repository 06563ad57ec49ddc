"""The console's processes as posts that are kept: whichever was ended by us is started again at once.

A post that ended by itself is a fault of ours and ends the watch over it (ChildFailed). So is one that does
not end in order when it is told to: that one is killed and remarked on.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollcast.demo.children import END_S, Child, ChildFailed


@dataclass
class Post:
    """One process of the console. `argv` is what its next start is called with.

    `patience_s`: how long it may take to end in order. `remarks`: how it did not.
    """

    name: str
    argv: Sequence[str]
    log: Path | None
    patience_s: float = END_S
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._struck = False
        self._told = False  # to end in order, once it was ready
        self._ready = False
        self._child: Child | None = None

    @property
    def child(self) -> Child:
        """The process that stands there now."""
        if self._child is None:
            raise ChildFailed(f"the {self.name} was not started")
        return self._child

    def start(self) -> dict[str, Any]:
        """Start it for the first time; answers what it said when it was ready."""
        self._child = Child(self.name, self.argv, self.log)
        ready = self._child.await_ready()
        self._ready = True
        return ready

    def strike(self, number: signal.Signals) -> None:
        """End it by this signal; `keep`, on whose loop this is called, starts it again."""
        self._ready = self._ready or self.child.has_spoken()
        # One that is told while it starts, or told again while it ends, need not end in order.
        self._told = number is signal.SIGTERM and self._ready and not self._struck
        self._struck = True
        self.child.process.send_signal(number)
        asyncio.get_running_loop().call_later(self.patience_s, self._hurry, self.child)

    def _hurry(self, child: Child) -> None:
        """It had its time."""
        if child is self._child and child.process.poll() is None:
            if self._told:
                self.remarks.append(f"the {self.name} did not end within {self.patience_s:g} s of being told")
            self._told = False
            child.process.kill()

    async def keep(self) -> None:
        """Start it again whenever it was struck; ChildFailed once it ends without."""
        while True:
            code = await self.child.ended()
            if not self._struck:
                raise ChildFailed(f"the {self.name} ended by itself (exit code {code})")
            if self._told and code != 0:
                self.remarks.append(f"the {self.name} was told to end and did so with exit code {code}")
            self.child.end()
            self._struck = self._told = self._ready = False
            self._child = Child(self.name, self.argv, self.log)

    def end(self) -> None:
        """The end of it, in order; harmless when it has ended."""
        if self._child is not None:
            self._child.end()


@dataclass(frozen=True)
class Crew:
    """The console and, where the worker is not in its process, the workers beside it."""

    console: Post
    workers: tuple[Post, ...]

    @property
    def posts(self) -> tuple[Post, ...]:
        """All of them."""
        return (self.console, *self.workers)

    def start(self) -> str:
        """Start all and answer the console's address; from then on the console keeps its port."""
        url = str(self.console.start()["url"])
        self.console.argv = [*self.console.argv, "--port", url.rpartition(":")[2]]
        for worker in self.workers:
            worker.start()
        return url

    def end(self) -> None:
        """End all: the console first, so that nobody asks for more."""
        for post in self.posts:
            post.end()


def crew_of(home: Path, *, port: int, workers: int, quiet: bool, settings: str) -> Crew:
    """The processes of the installation in `home`; with `workers` = 0 the console has its own."""

    def log(name: str) -> Path | None:
        return home / f"{name}.log" if quiet else None

    rollcast = [sys.executable, "-m", "rollcast.cli"]
    common = ["--json", "--lifeline", "--home", str(home)]
    alone = ["--no-worker"] if workers else []
    console = [*rollcast, "up", *common, *alone, "--settings", settings, "--port", str(port)]
    return Crew(
        Post("console", console, log("console")),
        tuple(
            Post(f"worker {n}", [*rollcast, "worker", *common, "--name", f"worker-{n}"], log(f"worker-{n}"))
            for n in range(1, workers + 1)
        ),
    )
