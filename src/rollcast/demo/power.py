"""Pull the plug of a demo fleet: end every process that runs on its hosts, detached ones too.

Promise: when `power_off` returns true, no process with the fleet's marker in its environment lives, and none
of them had the time to write down how it ended, just as after a power cut. True because every process found
is first stopped, again and again until a scan finds no new one (a stopped process cannot fork), and only then
killed: a supervisor cannot see its step end. A process that wipes its environment would escape; the demo's
commands do not.
"""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path
from typing import Final

from rollcast.demo.hosts import MARKER

# A machine that cannot clear away its killed processes in this time is out of order.
DEADLINE_S: Final = 10.0


def marked_processes(folder: Path) -> set[int]:
    """Ids of this user's living processes that were started on a host of the fleet in `folder`."""
    marker = b"\0" + f"{MARKER}={folder}/".encode()
    found = set()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        # Someone else's, or gone meanwhile; a zombie's environment is empty.
        try:
            environment = Path(f"/proc/{entry.name}/environ").read_bytes()
        except OSError:
            continue
        if marker in b"\0" + environment:
            found.add(int(entry.name))
    return found


def power_off(folder: Path) -> bool:
    """End all processes of the fleet; false if one was still there after `DEADLINE_S`."""
    until = time.monotonic() + DEADLINE_S
    stopped: set[int] = set()
    while time.monotonic() < until:
        found = marked_processes(folder)
        if not found:
            return True
        new = found - stopped
        for pid in new or found:
            _signal(pid, folder, signal.SIGSTOP if new else signal.SIGKILL)
        if new:
            stopped |= new
        else:
            _await_end(found, until)
    return False


def _signal(pid: int, folder: Path, number: signal.Signals) -> None:
    """Signal through a descriptor of the process, so that a number used anew cannot be hit."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if f"{MARKER}={folder}/".encode() in Path(f"/proc/{pid}/environ").read_bytes():
            signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return
    finally:
        os.close(descriptor)


def _await_end(pids: set[int], until: float) -> None:
    """Return when all of them have ended, reaped or not, or at `until`."""
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
        finally:
            os.close(descriptor)
