"""docs/livefeed.md as something to carry out: its blocks, and a folder where they are copied one by one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import eventually

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = DOCS / "livefeed.md"
CHINESE = DOCS / "livefeed.zh-CN.md"
_BLOCK = re.compile(
    r"(?P<before>[^\n]*)\n\n```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
_PLACE = re.compile(r"`(?P<path>[\w/.]+)`, (?P<how>at the end|the whole file|a new file)")
COMMAND_S = 120.0
START_S = 60.0
END_S = 20.0


@dataclass(frozen=True)
class Block:
    """A piece of code, and what the line before it says of where it goes."""

    before: str
    language: str
    text: str


def blocks(page: Path, title: str = "") -> list[Block]:
    """The blocks of a page, or of its part with this title."""
    text = page.read_text("utf-8")
    if title:
        text = "\n" + text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [Block(**found.groupdict()) for found in _BLOCK.finditer(text)]


class Reader:
    """Somebody who reads the guide and copies. `folder` is where the shell stands."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ROLLCAST", "DJANGO"))}
        here = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environment = kept | {"PATH": here, "PYTHONPATH": ""}
        self._serving = self._environment | {"UVICORN_PORT": "0"} | environment

    def copy(self, block: Block) -> list[str]:
        """Type a command, or put a piece where the line before it says; what the command printed."""
        if block.language == "sh":
            return self._type(block.text)
        place = _PLACE.match(block.before)
        assert place, f"where does this go? {block.before!r}"
        file = self.folder / place["path"]
        if place["how"] == "a new file":
            assert not file.exists(), file
            file.parent.mkdir(parents=True, exist_ok=True)
        else:
            assert file.exists(), file
        kept = file.read_text("utf-8") if place["how"] == "at the end" else ""
        file.write_text(kept + block.text, "utf-8")
        return []

    def _type(self, commands: str) -> list[str]:
        ran = subprocess.run(
            ["bash", "-e", "-c", f"{commands}\npwd"],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )
        assert ran.returncode == 0, ran.stderr
        assert "WARNINGS" not in ran.stderr, ran.stderr
        *said, folder = ran.stdout.splitlines()
        self.folder = Path(folder)
        return said

    @contextmanager
    def serving(self, command: str) -> Iterator[int]:
        """The server, by the guide's own command on a free port, until Ctrl-C."""
        said = self.folder / "said.txt"
        with said.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self._serving,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            listens = re.compile(r"running on http://127\.0\.0\.1:(\d+)")
            eventually(
                lambda: listens.search(said.read_text()) or process.poll() is not None, START_S, "the port"
            )
            found = listens.search(said.read_text())
            assert found, said.read_text()
            yield int(found[1])
            assert process.poll() is None, said.read_text()
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
