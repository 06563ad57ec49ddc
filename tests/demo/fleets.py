"""A real demo fleet as a process, for tests."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh


@dataclass(frozen=True)
class RunningFleet:
    folder: Path
    process: subprocess.Popen[str]
    rows: list[dict[str, Any]]

    def home(self, name: str) -> Path:
        return self.folder / "hosts" / name

    def connect(self, name: str) -> Any:
        row = next(row for row in self.rows if row["name"] == name)
        return asyncssh.connect(
            row["address"],
            int(row["port"]),
            username=row["user"],
            client_keys=[row["key_file"]],
            known_hosts=([asyncssh.import_public_key(row["host_key"])], [], []),
            config=None,
            agent_path=None,
        )

    def tell(self, line: str) -> list[str]:
        """Say a line as a drill does; the hosts that it hit."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        hit: list[str] = json.loads(self.process.stdout.readline())["hit"]
        return hit

    def power_off(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0


@contextmanager
def running_fleet(
    folder: Path, *, hosts: int = 3, speed: float = 50, by: Sequence[str] = ()
) -> Iterator[RunningFleet]:
    """The fleet; `by`: a command that runs it, such as one that makes it another user's."""
    process = subprocess.Popen(
        [
            *by,
            *(sys.executable, "-m", "rollcast.demo.fleet", "--folder", str(folder), "--lifeline"),
            *("--hosts", str(hosts), "--speed", str(speed)),
            *("--ports-from", str(random.randrange(10_000, 30_000))),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            ready = json.loads(process.stdout.readline())
            yield RunningFleet(folder, process, json.loads(Path(ready["inventory"]).read_text("utf-8")))
        finally:
            process.stdin.close()
            process.wait(20)


def processes_under(folder: Path) -> list[int]:
    """Ids of processes whose environment names the folder, found without the code under test."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"ROLLCAST_DEMO_HOST={folder}/".encode() in environment:
                found.append(int(entry.name))
    return found
