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


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """The URL of a Redis of the test's own, which keeps nothing. Skips the test where there is none."""
    program = need("redis-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)

    def answers() -> bool:
        assert process.poll() is None
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"PING\r\n")
            return line.recv(16) == b"+PONG\r\n"
        return False

    try:
        eventually(answers, START_S, "Redis")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(START_S)
