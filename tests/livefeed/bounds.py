"""What a process holds for its clients: it must be back at where it was once they have gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

from livefeed.doorbell import doorbell
from livefeed.reader import readers


def held() -> dict[str, int]:
    """Tasks of the running loop, readers and watchers of feeds, listeners of the doorbell."""
    following = list(readers()._readers.values())
    return {
        "tasks": len(asyncio.all_tasks()),
        "readers": len(following),
        "watchers": sum(len(reader._watchers) for reader in following),
        "listeners": len(getattr(doorbell(), "_wakes", ())),
    }


def open_sockets() -> int:
    """File descriptors that are sockets. Others come and go with the threads that ask the database."""
    return sum(_is_socket(file) for file in Path("/proc/self/fd").iterdir())


def _is_socket(file: Path) -> bool:
    try:
        return str(file.readlink()).startswith("socket:")
    except OSError:  # it was that of the folder itself
        return False


def most_memory_bytes() -> int:
    """The process's resident memory, at its peak so far."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
