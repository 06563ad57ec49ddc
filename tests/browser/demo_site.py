"""The real demo as a child process, for a browser."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.waiting import eventually

START_S = 60.0
END_S = 60.0


@dataclass
class DemoSite:
    """A running demo: where it is, and what its hosts wrote."""

    home: Path
    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    @property
    def output(self) -> str:
        return "".join(self.said)

    @property
    def port(self) -> int:
        found = re.search(r"Rollcast demo: http://127\.0\.0\.1:(\d+)", self.output)
        return int(found[1]) if found else 0

    @property
    def sign_in_path(self) -> str:
        found = re.search(r"http://[^/\s]+(/sign-in/link/\S+)", self.output)
        return found[1] if found else ""

    def journals(self) -> dict[str, bytes]:
        """Step run (`t17/s3/a1`) → the bytes of its journal file, of every host and rollout."""
        return {
            "/".join(file.parts[-5:-2]): file.read_bytes()
            for file in (self.home / "fleet" / "hosts").glob("*/**/run/journal")
        }


@contextmanager
def demo_site(home: Path, *arguments: str, origins: Sequence[str] = ()) -> Iterator[DemoSite]:
    """Start `rollcast demo` in `home` and end it by Ctrl-C, as a person would."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rollcast.cli", "demo", "--home", str(home), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "ROLLCAST_ORIGINS": ",".join(origins)},
    )
    site = DemoSite(home, process)
    reader = threading.Thread(target=_read, args=(site,), daemon=True)
    reader.start()
    try:
        eventually(
            lambda: site.sign_in_path or process.poll() is not None, START_S, "the demo's sign-in link"
        )
        assert process.poll() is None, site.output
        yield site
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(END_S)
        reader.join(END_S)
        if process.stdout is not None:
            process.stdout.close()


def _read(site: DemoSite) -> None:
    assert site.process.stdout is not None
    for line in site.process.stdout:
        site.said.append(line)
