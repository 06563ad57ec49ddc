"""Rules of the house that no linter knows."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES = 400
CAPPED = {".py", ".js", ".css", ".html", ".sh", ".yml"}
UNCAPPED = {"recipe_reference.yml"}
FORBIDDEN_NAMES = re.compile(r"(^|/)(utils?|common|helpers?|misc)(\.py|\.js|/)")
FORBIDDEN_CLASSES = re.compile(r"^class \w*(Manager|Service|Helper)\b", re.MULTILINE)


def tracked(*patterns: str) -> list[Path]:
    """The files git knows, as absolute paths."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_is_longer_than_the_cap() -> None:
    long = {
        str(path.relative_to(ROOT)): n
        for path in tracked()
        if path.suffix in CAPPED
        and path.name not in UNCAPPED
        and (n := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}


def test_no_room_is_called_after_nothing() -> None:
    named = [str(path.relative_to(ROOT)) for path in tracked("src", "tests")]
    assert [name for name in named if FORBIDDEN_NAMES.search(name)] == []
    classes = {
        str(path.relative_to(ROOT)): found
        for path in tracked("src/*.py")
        if (found := FORBIDDEN_CLASSES.findall(path.read_text(encoding="utf-8")))
    }
    assert classes == {}


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked("src", "tests", "docs", "*.md")
        if path.suffix in {".py", ".js", ".css", ".html", ".md", ".sh", ".yml"} and path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if later.search(line)
    ]
    assert found == []


def test_type_ignores_are_few_and_give_a_reason() -> None:
    ignores = [
        (str(path.relative_to(ROOT)), line.strip())
        for path in tracked("src/*.py", "tests/*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "type: ignore" in line and path != Path(__file__)
    ]
    assert len(ignores) < 10, ignores
    assert [
        found for found in ignores if not re.search(r"type: ignore\[[a-z-]+(, ?[a-z-]+)*\]  # \S", found[1])
    ] == []


def test_no_package_index_is_named() -> None:
    index = re.compile(r"--(extra-)?index-url|pypi\.org/simple|files\.pythonhosted\.org|registry\.npmjs")
    named = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix not in {".png"}
        and path != Path(__file__)
        and index.search(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert [name for name in named if name != "Makefile"] == []


@pytest.mark.parametrize("page", [str(path.relative_to(ROOT)) for path in tracked("*.md")])
def test_links_within_the_docs_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (ROOT / page).parent / file if file else ROOT / page
        if not linked.exists() or (anchor and anchor not in _anchors(linked)):
            broken.append(target)
    assert broken == []


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
