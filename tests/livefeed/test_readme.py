"""The table of faults names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_every_test_that_the_table_names_exists() -> None:
    table = [line for line in (HERE / "README.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    named = {name for line in table for name in re.findall(r"`((?:\w+_)+\w+)`", line)}
    tests = "".join(file.read_text("utf-8") for file in HERE.parent.rglob("test_*.py"))
    defined = re.findall(r"def test_(\w+)", tests)
    assert len(named) > 20
    assert [name for name in named if not any(each.startswith(name) for each in defined)] == []
