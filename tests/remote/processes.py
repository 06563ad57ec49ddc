"""Looking at a host's processes from outside."""

from __future__ import annotations

import os
from pathlib import Path


def processes_of(directory: str) -> list[int]:
    """Living processes that name the step's folder in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if directory.encode() in words and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def followers_of(directory: str, *files: str) -> list[int]:
    """Those that read the step's `files`: both, if none is named."""
    names = [f"/run/{file}".encode() for file in files or ("journal", "control")]
    return [pid for pid in processes_of(directory) if any(name in _words(pid) for name in names)]


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return stat_of(pid)[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # the second: reaped between the opening and the reading
        return False


def stat_of(pid: int) -> list[str]:
    """State, parent, … start time (the twentieth) of a process."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
