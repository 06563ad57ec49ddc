"""A Django project that is not ours, as processes: only its folder and what is installed can be imported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROGRAM = Path(__file__).with_name("foreign_main.py")
END_S = 20
COMMAND_S = 60


class ForeignProject:
    """The project `name` in `folder`, with its data in `home`; importing one of `barred` fails in it."""

    def __init__(self, folder: Path, name: str, home: Path, barred: Sequence[str]) -> None:
        self.home = home
        self._folder = folder
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ROLLCAST", "DJANGO"))}
        self.environment = kept | {
            "DJANGO_SETTINGS_MODULE": f"{name}.settings",
            "FOREIGN_ASGI": f"{name}.asgi:application",
            "FOREIGN_BARRED": " ".join(barred),
            "FOREIGN_HOME": str(home),
            "PYTHONPATH": str(folder),
        }

    def manage(self, *words: str) -> str:
        """`manage.py …`; what it printed."""
        ran = subprocess.run(
            self._command("manage", *words),
            cwd=self._folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    @contextmanager
    def serving(self, server: str = "uvicorn") -> Iterator[str]:
        """The address of its web process (uvicorn or daphne), which must live until the block is left."""
        with self.running(server) as process:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A process of it, which must live until the block is left."""
        process = subprocess.Popen(
            self._command(*words),
            cwd=self._folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
            assert process.poll() is None, words
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-W", "error", str(PROGRAM), *words]
