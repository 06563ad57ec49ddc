"""A real Redis for a test."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.missing import need
from tests.waiting import eventually

START_S = 60.0
# A port that is free when we look may be somebody else's before Redis has it.
PORTS_TRIED = 3


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """The URL of a Redis of the test's own, which keeps nothing. Skips the test where there is none."""
    program = need("redis-server")
    for _ in range(PORTS_TRIED):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            if _serves(process, port):
                yield f"redis://127.0.0.1:{port}/0"
                return
        finally:
            process.terminate()
            process.wait(START_S)
    raise AssertionError(f"Redis ended at once, on each of {PORTS_TRIED} ports")


def _serves(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until it answers; False if it has ended instead."""

    def answers() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"PING\r\n")
            return line.recv(16) == b"+PONG\r\n"
        return False

    eventually(lambda: answers() or process.poll() is not None, START_S, "Redis")
    return process.poll() is None
