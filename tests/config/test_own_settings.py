"""settings.yml: what an installation may change, and what it is told when it errs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollcast.config.own_settings import own_settings
from rollcast.engine.problems import InputError


def test_without_the_file_nothing_changes(tmp_path: Path) -> None:
    assert own_settings(tmp_path) == {"ROLLCAST": {}, "LIVEFEED": {}}


def test_a_setting_is_taken(tmp_path: Path) -> None:
    (tmp_path / "settings.yml").write_text("ROLLCAST:\n  MAX_PARALLEL: 7\n  KEEP_OUTPUT_DAYS: 0\n")
    assert own_settings(tmp_path) == {"ROLLCAST": {"MAX_PARALLEL": 7, "KEEP_OUTPUT_DAYS": 0}, "LIVEFEED": {}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "ROLLCAST:\n  MAX_PARALEL: 7\n",
            "yml, ROLLCAST.MAX_PARALEL: There is no setting of this name. Did you mean MAX_PARALLEL?",
        ),
        ("LIVEFEED:\n  COLOUR: red\n", "LIVEFEED.COLOUR: There is no setting of this name. docs/settings.md"),
        ("MAX_PARALLEL: 7\n", "MAX_PARALLEL: Only ROLLCAST and LIVEFEED"),
        ("ROLLCAST:\n  A: [1\n", "settings.yml, line 3: This is not YAML."),
        ("- a\n", "This is not a mapping."),
        ("ROLLCAST:\n  LEASE_TRUST_S: abc\n", "ROLLCAST.LEASE_TRUST_S: This must be a number above 0."),
        ("ROLLCAST:\n  KEEP_OUTPUT_DAYS: false\n", "KEEP_OUTPUT_DAYS: This must be a number above 0."),
        ("ROLLCAST:\n  SWEEP_S: -1\n", "ROLLCAST.SWEEP_S: This must be a number above 0."),
        ("ROLLCAST:\n  HANDSHAKES: 2.5\n", "ROLLCAST.HANDSHAKES: This must be a whole number."),
        ("ROLLCAST:\n  RECIPES: [a]\n", "ROLLCAST.RECIPES: This must be text."),
    ],
)
def test_an_error_names_the_place_and_the_cure(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "settings.yml").write_text(text)
    with pytest.raises(InputError) as raised:
        own_settings(tmp_path)
    assert told in str(raised.value)


def test_the_documentation_lists_every_setting_with_its_default() -> None:
    from livefeed.conf import DEFAULTS as livefeed
    from rollcast.conf import DEFAULTS as rollcast

    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text("utf-8")
    for name, default in [*rollcast.items(), *livefeed.items()]:
        shown = "unset" if default is None else str(default).replace(str(Path.home()), "~")
        assert f"| `{name}` | {shown} |" in page, name
