"""The guide and the example say the same: in both languages, and with nothing of Rollcast in it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "ver_update"
GUIDES = [ROOT / "docs" / "ver-update.md", ROOT / "docs" / "ver-update.zh-CN.md"]
WRITTEN = {
    path.relative_to(EXAMPLE).as_posix(): path.read_text("utf-8")
    for suffix in ("py", "js", "html", "css")
    for path in EXAMPLE.rglob(f"*.{suffix}")
}


def quoted(guide: Path) -> list[str]:
    """The pieces of code that a guide shows."""
    return re.findall(r"```(?:python|js)\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)


def test_what_the_guide_shows_stands_in_the_example() -> None:
    shown = quoted(GUIDES[0])
    assert len(shown) >= 4
    assert [piece for piece in shown if not any(piece in text for text in WRITTEN.values())] == []


def test_both_languages_show_the_same_and_have_the_same_parts() -> None:
    english, chinese = GUIDES
    assert quoted(english) == quoted(chinese)
    parts = [re.findall(r"^(#+) ", guide.read_text("utf-8"), re.MULTILINE) for guide in GUIDES]
    assert parts[0] == parts[1]


def test_every_python_file_but_the_package_itself_is_in_the_table() -> None:
    for guide in GUIDES:
        linked = set(re.findall(r"\]\(\.\./examples/ver_update/(\S+?)\)", guide.read_text("utf-8")))
        assert {name for name in WRITTEN if name.endswith(".py")} - linked == {"__init__.py"}


def test_the_example_needs_nothing_of_rollcast() -> None:
    assert [name for name, text in WRITTEN.items() if "rollcast" in text.lower()] == []


def test_one_setting_puts_redis_in_the_place_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    layer = runpy.run_path(str(EXAMPLE / "settings.py"))["CHANNEL_LAYERS"]["default"]
    assert layer["BACKEND"] == "channels.layers.InMemoryChannelLayer"
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:6379/0")
    layer = runpy.run_path(str(EXAMPLE / "settings.py"))["CHANNEL_LAYERS"]["default"]
    assert layer["BACKEND"] == "channels_redis.core.RedisChannelLayer"
    assert layer["CONFIG"] == {"hosts": ["redis://127.0.0.1:6379/0"]}
