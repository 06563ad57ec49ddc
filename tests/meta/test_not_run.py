"""A machine that lacks a program must not look like one on which everything passed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("processes", ["0", "2"])
@pytest.mark.parametrize(("allowed", "code"), [("", 1), ("1", 0)])
def test_a_test_that_could_not_run_is_named_and_fails_the_run(
    allowed: str, code: int, processes: str, tmp_path: Path
) -> None:
    (tmp_path / "test_it.py").write_text(
        "from __future__ import annotations\n"
        "from tests.missing import need\n"
        "def test_needs_something_rare():\n    need('no-such-program')\n"
        "def test_other():\n    pass\n"
    )
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.conftest", "-n", processes),
            *("--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), str(tmp_path / "test_it.py")),
        ],
        cwd=ROOT,
        env={**os.environ, "ALLOW_MISSING": allowed},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == code, run.stdout
    assert "needs no-such-program" in run.stdout
    assert "test_needs_something_rare" in run.stdout
    assert "1 passed, 1 skipped" in run.stdout
