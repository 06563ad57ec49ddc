"""`rollcast drill` for real: everything is killed and cut, and not a line is lost or comes twice."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.demo.test_once import KEYS as KEYS_OF_ONCE

KEYS = [*KEYS_OF_ONCE, "faults", "takeover_s"]
# A drill's own limit after its faults, and the time to start and end everything on a busy machine.
REST_S = 400.0


@dataclass(frozen=True)
class Drilled:
    """What a drill said: its progress, line by line, and its account."""

    code: int
    progress: list[dict[str, Any]]
    account: dict[str, Any]
    stderr: str

    def faults(self) -> list[tuple[float, str]]:
        return [(line["at_s"], line["fault"]) for line in self.progress if "fault" in line]


def drill(tmp_path: Path, seed: int, seconds: float, *more: str) -> Drilled:
    """Run it with `tmp_path` as the folder for temporary files, where nothing is left afterwards."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "rollcast.cli", "drill", "--json"),
            *("--seed", str(seed), "--seconds", str(seconds), *more),
        ],
        capture_output=True,
        text=True,
        timeout=seconds + REST_S,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        check=False,
    )
    *progress, account = [json.loads(line) for line in done.stdout.splitlines()]
    assert list(tmp_path.iterdir()) == []
    assert list(account) == KEYS
    return Drilled(done.returncode, progress, account, done.stderr)


@pytest.mark.parametrize(
    ("style", "seed", "seconds"),
    [("apart", 7, 60.0), pytest.param("together", 8, 60.0, marks=pytest.mark.long)],
    ids=["apart", "together"],
)
def test_whatever_is_killed_and_cut_the_account_closes(
    tmp_path: Path, style: str, seed: int, seconds: float
) -> None:
    drilled = drill(tmp_path, seed, seconds, "--style", style)
    account = drilled.account
    assert (drilled.code, account["closed"], drilled.stderr) == (0, True, "")
    assert account["lines"]["written"] == account["lines"]["stored"] == account["lines"]["received"] > 500
    assert (account["lost"], account["repeated"], account["disordered"]) == (0, 0, 0)
    assert account["targets"] == {"failed": 2, "succeeded": 6}
    # The plan has one in five seconds; not each finds something to hit.
    assert sum(account["faults"].values()) == len(drilled.faults()) >= seconds / 5
    assert account["takeover_s"] is not None


@pytest.mark.long
@pytest.mark.parametrize(("how", "found"), [("drop", "lost"), ("repeat", "repeated"), ("swap", "disordered")])
def test_a_damaged_client_opens_the_account(tmp_path: Path, how: str, found: str) -> None:
    drilled = drill(tmp_path, 1, 5, "--hosts", "2", "--sabotage", how)
    account = drilled.account
    assert (drilled.code, account["closed"]) == (1, False)
    assert [name for name in ("lost", "repeated", "disordered") if account[name]] == [found]
    assert account["lines"]["stored"] == account["lines"]["written"]
