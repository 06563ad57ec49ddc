"""Which process a worker is, and whether that one is surely gone, as far as this process can know.

Promise: `surely_gone` is never true of a process that may still act. Why true: it answers only for a process
of the machine's present run (boot id) and of our own pid namespace, and only in two cases: the kernel knows
nobody of that pid (`kill` with signal 0, from which no mount option hides anybody), or whoever has the pid
was started at another time. A pid is not given anew while anything of its process is left. Another boot,
machine or container, or a system without /proc, is "not known"; a zombie is still there. What would break it:
a virtual machine that was copied while it ran, as both copies have all of this in common.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# Where a pid means something: each must be known and the same on both sides.
_PLACE = ("host", "boot_id", "pid_namespace")


def identity(pid: int | None = None) -> dict[str, object]:
    """Which process this one is, or the one of `pid`: for the `info` of its heartbeat row."""
    pid = os.getpid() if pid is None else pid
    return {"pid": pid, "born": _born(pid), **_place()}


def surely_gone(info: Mapping[str, object]) -> bool:
    """Whether the process of this `identity` has ended for certain; False when that is not known."""
    pid, born, here = info.get("pid"), info.get("born"), _place()
    if not isinstance(pid, int) or not isinstance(born, int) or pid <= 0:
        return False
    if any(here.get(name) is None or info.get(name) != here[name] for name in _PLACE):
        return False
    if not _anybody(pid):
        return True
    now = _born(pid)
    return now is not None and now != born


def _place() -> dict[str, object]:
    """This machine's present run and our pid namespace; without the latter two where they cannot be told."""
    place: dict[str, object] = {"host": os.uname().nodename}
    try:
        if str(Path("/proc/self").readlink()) == str(os.getpid()):  # else /proc shows another namespace
            place["boot_id"] = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
            place["pid_namespace"] = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return {"host": place["host"]}
    return place


def _anybody(pid: int) -> bool:
    """Whether the kernel knows a process (or thread) of that pid, ours or not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _born(pid: int) -> int | None:
    """When the process was started, in clock ticks since the boot; None when that cannot be read."""
    try:
        # The program's name may hold anything; the numbers stand behind its last parenthesis.
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None
