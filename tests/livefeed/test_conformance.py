"""When `make conformance` is content: with every case that docs/protocol.md speaks of, no less."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.livefeed.conformance import CASES, Verdicts, account

PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"


def report(*verdicts: Verdicts, cases: int = CASES) -> dict[str, Verdicts]:
    """So many cases: these verdicts, then good ones."""
    rest = [("OK", "OK")] * (cases - len(verdicts))
    return {f"1.{n}": each for n, each in enumerate([*verdicts, *rest])}


def test_every_case_must_have_run_and_passed(capsys: pytest.CaptureFixture[str]) -> None:
    assert f"**{CASES} of {CASES} cases pass; none fails.**" in PROTOCOL.read_text("utf-8")
    assert account(report(("NON-STRICT", "OK"), ("INFORMATIONAL", "INFORMATIONAL")), 0) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["1.0: NON-STRICT", "1.1: INFORMATIONAL"]
    assert said[2:] == [
        f'{{"cases": {CASES}, "NON-STRICT": 1, "INFORMATIONAL": 1, "OK": {CASES - 2}, "failed": []}}'
    ]


@pytest.mark.parametrize(
    ("cases", "exit_code", "word"),
    [
        (report(("FAILED", "OK")), 0, "1.0: FAILED"),
        (report(("OK", "UNCLEAN")), 0, "1.0: closing: UNCLEAN"),
        (report(cases=CASES - 1), 0, f"{CASES - 1} cases ran, not {CASES}"),
        (report(cases=0), 0, f"0 cases ran, not {CASES}"),
        (report(), 1, "kosoku ended with 1"),
    ],
    ids=["one fails", "one is closed badly", "one is missing", "all are", "kosoku fails"],
)
def test_anything_less_fails_and_is_said(
    cases: dict[str, Verdicts], exit_code: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert account(cases, exit_code) == 1
    assert word in capsys.readouterr().out.splitlines()
