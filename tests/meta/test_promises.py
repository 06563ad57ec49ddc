"""docs/promises.md names tests, test files and places that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/promises.md").read_text("utf-8")


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    defined = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 20
    assert [name for name in sorted(named) if f"def {name}(" not in defined] == []


def test_every_file_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`([\w/]+\.(?:py|sh))`", PAGE))
    rooms = [ROOT / room for room in ("src", "src/rollcast", "tests/promises")]
    assert len(named) > 10
    assert [name for name in sorted(named) if not any((room / name).is_file() for room in rooms)] == []
