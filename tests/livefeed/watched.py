"""The sample project behind the shipped launcher's socket options and uvicorn settings, and under watch.

As a program (`python -m tests.livefeed.watched`) it serves on a free port, says so by a line of JSON, and
answers each line on its stdin by what it holds now. It ends with its stdin. `watched()` runs it for a test.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from uvicorn.protocols.websockets.wsproto_impl import WSProtocol

from tests.livefeed.serving import ROOT, application, settings
from tests.waiting import eventually

DOORBELL = "livefeed.doorbells.sqlite.SqliteDoorbell"


class Gauge:
    """How often a call was made, and how many of it were under way at most."""

    def __init__(self) -> None:
        self.calls = self.most = self._now = 0
        self._lock = threading.Lock()

    def of(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, counted."""

        def counted(*args: Any) -> Any:
            with self._lock:
                self.calls += 1
                self._now += 1
                self.most = max(self.most, self._now)
            try:
                return call(*args)
            finally:
                with self._lock:
                    self._now -= 1

        return counted


async def serve(limits: dict[str, Any]) -> None:
    """Serve until stdin ends; `limits` are values for numbers of the launcher or of its protocols."""
    from livefeed import pages
    from rollcast.config import launcher, protocols
    from tests.livefeed.bounds import held, most_memory_bytes, open_sockets

    for name, value in limits.items():
        setattr(launcher if hasattr(launcher, name) else protocols, name, value)
    reads = Gauge()
    pages._rows = reads.of(pages._rows)
    listener = launcher.listening_socket("127.0.0.1", 0)
    server = launcher.Server(launcher.uvicorn_settings(application()))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    words = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    _say({"port": listener.getsockname()[1]})
    while await words.readline():
        _say(
            held()
            | {"sockets": open_sockets(), "most_memory": most_memory_bytes()}
            | {"reads": reads.calls, "reads_at_once": reads.most}
            | {"blocked": sum(_blocked(one) for one in server.server_state.connections)}
        )
    server.should_exit = True
    await serving


def _blocked(connection: object) -> bool:
    """Is this a WebSocket whose next send waits, because its peer does not read?"""
    return isinstance(connection, WSProtocol) and not connection.writable.is_set()


def _say(fact: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Set Django up and serve."""
    import django
    from django.conf import settings as django_settings

    django_settings.configure(**settings())
    django.setup()
    asyncio.run(serve(json.loads(os.environ["LIVE_LAUNCHER"])))


class Watched:
    """The program above, started."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port: int = self._line()["port"]

    def holds(self) -> dict[str, int]:
        """What the server holds now: see `bounds`; reads of frames so far and at once at most; sockets whose
        next send waits for the peer.
        """
        assert self._process.stdin is not None
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        return self._line()

    def returns_to(self, baseline: dict[str, int], deadline_s: float = 30.0) -> None:
        """Wait until it holds no more than it did."""
        names = ("tasks", "readers", "watchers", "listeners", "sockets")

        def more() -> dict[str, tuple[int, int]]:
            now = self.holds()
            return {name: (baseline[name], now[name]) for name in names if now[name] > baseline[name]}

        eventually(lambda: not more(), deadline_s, f"(before, now): {more()}")

    def _line(self) -> dict[str, int]:
        assert self._process.stdout is not None
        fact: dict[str, int] = json.loads(self._process.stdout.readline())
        return fact


@contextmanager
def watched(
    database: str, cookie: str, livefeed: dict[str, Any] | None = None, launcher: dict[str, Any] | None = None
) -> Iterator[Watched]:
    """The server on this database, with these changes to LIVEFEED and to the launcher's numbers."""
    environment = os.environ | {
        "LIVE_DATABASE": database,
        "LIVE_COOKIE": cookie,
        "LIVE_LIVEFEED": json.dumps({"DOORBELL": DOORBELL} | (livefeed or {})),
        "LIVE_LAUNCHER": json.dumps(launcher or {}),
        "PYTHONPATH": str(ROOT),
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.livefeed.watched"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Watched(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        process.stdout.close()


if __name__ == "__main__":
    main()
