"""`rollcast demo --once --json` for real: processes, SSH, HTTP, WebSocket, and the account at the end."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

KEYS = [
    *("hosts", "targets", "lines", "bytes_same", "lost", "repeated", "disordered"),
    *("console_peak_mb", "seconds", "closed"),
]


def once(tmp_path: Path, *more: str) -> tuple[int, dict[str, Any]]:
    """Run it with `tmp_path` as the folder for temporary files; its last line, and nothing else said."""
    done = subprocess.run(
        [sys.executable, "-m", "rollcast.cli", "demo", "--once", "--json", "--speed", "20", *more],
        capture_output=True,
        text=True,
        timeout=300,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 1
    assert list(tmp_path.iterdir()) == []
    said: dict[str, Any] = json.loads(lines[0])
    assert list(said) == KEYS
    return done.returncode, said


def test_the_account_of_a_real_rollout_is_closed_and_nothing_is_left(tmp_path: Path) -> None:
    code, said = once(tmp_path, "--hosts", "6")
    assert said["closed"], said
    assert code == 0
    assert said["targets"] == {"failed": 2, "succeeded": 4}
    assert said["lines"]["written"] >= 50 * 6
    assert 20 < said["console_peak_mb"] < 300


@pytest.mark.long
@pytest.mark.parametrize("how", ["drop", "repeat", "swap"])
def test_a_damaged_client_opens_the_account(tmp_path: Path, how: str) -> None:
    code, said = once(tmp_path, "--hosts", "1", "--sabotage", how)
    assert (code, said["closed"]) == (1, False)
    found = {"drop": "lost", "repeat": "repeated", "swap": "disordered"}[how]
    assert [name for name in ("lost", "repeated", "disordered") if said[name]] == [found]
    assert said["lines"]["stored"] == said["lines"]["written"]


def test_a_wrong_use_leaves_nothing_behind() -> None:
    before = set(Path(tempfile.gettempdir()).glob("rollcast-once-*"))
    done = subprocess.run(
        [sys.executable, "-m", "rollcast.cli", "demo", "--once", "--hosts", "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert set(Path(tempfile.gettempdir()).glob("rollcast-once-*")) <= before
