"""Rollcast's own processes, as a test starts, kills, freezes and restarts them."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.waiting import eventually

COMMAND = (sys.executable, "-m", "rollcast.cli")
# A process begins to work within this time, also on a busy machine.
READY_S = 60.0


class Process:
    """One `rollcast …` that stays; its stderr goes to `log`."""

    def __init__(self, argv: Sequence[str], log: Path, prepare: Callable[[], None] | None = None) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [*COMMAND, *argv],
                stdout=subprocess.PIPE,
                stderr=file,
                env=environment,
                preexec_fn=prepare,
            )
        self._log = log
        self.first_line = self._read_line()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def url(self) -> str:
        """Of a console: where it is reached."""
        return str(json.loads(self.first_line)["url"])

    def memory_mb(self) -> float:
        """What it holds in memory now, in MB."""
        return self._status("VmRSS")

    def peak_mb(self) -> float:
        """The most it ever held in memory, in MB."""
        return self._status("VmHWM")

    def _status(self, word: str) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{word}:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise AssertionError(f"{self.pid} has ended")

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait(10)

    def freeze(self) -> None:
        """SIGSTOP, and wait until it stands still."""
        self._process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self.pid}/stat")
        eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")

    def thaw(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> int:
        """SIGTERM and an orderly end within its deadline; harmless when it has ended. Its exit code."""
        if self._process.poll() is None:
            self.thaw()
            self._process.terminate()
            try:
                self._process.wait(40)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
                raise
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.returncode

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        until, said = time.monotonic() + READY_S, b""
        while b"\n" not in said:
            readable, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
            data = os.read(descriptor, 4096) if readable else b""
            assert data, f"it did not start: {self._log.read_text()}"
            said += data
        return said.decode()


def rollcast(*argv: str) -> str:
    """A command that ends; what it said."""
    done = subprocess.run([*COMMAND, *argv], capture_output=True, text=True, timeout=READY_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
