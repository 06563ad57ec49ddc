"""The demo's child processes: started with a ready line, a lifeline, and an orderly end.

Each child has a session of its own, so that Ctrl-C reaches only us and the order of the end is ours: the
console first, then the power of the fleet. Its stdin is a pipe that we hold: should we be killed, it ends,
and the child with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

# Two hundred host keys are made in well under a second; the first migration on a slow disk takes longest.
READY_S: Final = 60.0
# It only breaks connections; a machine that is this slow is out of order.
ANSWER_S: Final = 20.0
# Longer than the launcher's and the worker's own ends together.
END_S: Final = 30.0


class ChildFailed(OSError):
    """A child process ended, or was not ready in time."""


class Child:
    """One child process; `ready` is the JSON object of its first line on stdout."""

    def __init__(self, name: str, argv: Sequence[str], log: Path | None = None) -> None:
        """Start it; its stderr goes to the file `log`, or where ours goes."""
        self.name = name
        self.log = log
        with (log or Path(os.devnull)).open("ab") as file:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file if log else None,
                start_new_session=True,
            )
        self.pidfd = os.pidfd_open(self.process.pid)

    def await_ready(self) -> dict[str, Any]:
        """The first line of its stdout; ChildFailed if it ends before or takes longer than READY_S."""
        ready = self._hear(READY_S)
        if ready is None:
            self.end()
            raise ChildFailed(f"the {self.name} did not start{self._last_words()}")
        return ready

    def ask(self, line: str) -> dict[str, Any]:
        """Say a line on its stdin; the line on its stdout that answers it. ChildFailed if none comes."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()
        answer = self._hear(ANSWER_S)
        if answer is None:
            raise ChildFailed(f"the {self.name} does not answer{self._last_words()}")
        return answer

    def has_spoken(self) -> bool:
        """Whether there is something on its stdout that was not heard yet."""
        assert self.process.stdout is not None
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def _hear(self, within_s: float) -> dict[str, Any] | None:
        """The next line of its stdout; None if it ends or says nothing in time."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        until = time.monotonic() + within_s
        said = b""
        while not said.endswith(b"\n"):
            readable, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
            data = os.read(descriptor, 4096) if readable else b""
            if not data:
                return None
            said += data
        heard: dict[str, Any] = json.loads(said)
        return heard

    def _last_words(self) -> str:
        if self.log is None:
            return ""
        return ": " + self.log.read_text("utf-8", "replace")[-4000:].strip()

    def peak_mb(self) -> float:
        """The most memory the process itself ever held (VmHWM), in MB of 1,000,000 bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text("utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) * 1024 / 1e6, 1)
        raise ChildFailed(f"the {self.name} has ended")

    async def ended(self) -> int:
        """Return when it has ended: its exit code, negative for a signal."""
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        descriptor = self.pidfd
        loop.add_reader(descriptor, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(descriptor)
        return self.process.wait()

    def end(self) -> None:
        """End it by SIGTERM, after END_S by SIGKILL; harmless when it has ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(END_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
