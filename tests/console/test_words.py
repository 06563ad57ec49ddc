"""States and reasons have words, the same ones on the pages of the server and in the browser's modules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.utils import translation

from rollcast import console
from rollcast.console import words
from rollcast.engine import states
from rollcast.remote import errors

WORDS_JS = Path(console.__file__).parent / "static" / "console" / "js" / "rollout" / "words.js"
# Written by workers: why a step ended that did not end by an exit code.
BY_WORKERS = {"timeout", "output_limit", "journal_differs", "gone", "missing", "unstarted", "host_removed"}
BY_RULES = {
    states.BUDGET_EXCEEDED,
    states.HOSTS_SKIPPED,
    states.INTERRUPTED,
    states.NOTHING_RAN,
    states.CANCEL_TOO_LATE,
}
BY_CONTACT = {errors.RemoteError.code} | {error.code for error in errors.RemoteError.__subclasses__()}


def test_every_reason_has_a_sentence() -> None:
    assert (BY_RULES | BY_WORKERS | BY_CONTACT) - set(words.REASONS) == set()


def test_every_state_has_a_word_and_a_glyph() -> None:
    codes = {
        str(state) for kind in (states.RolloutState, states.TargetState, states.StepState) for state in kind
    }
    assert codes <= set(words.STATES)
    assert set(words.STATES) == set(words.ICONS)


def test_the_browser_says_the_same() -> None:
    told = dict(
        re.findall(r'case "(\w+)":\s+return gettext\("([^"]+)"\);', WORDS_JS.read_text(encoding="utf-8"))
    )
    with translation.override("en"):
        here = {code: words.reason_text(code) for code in words.REASONS}
    assert {code: told.get(code) for code in here} == here


@pytest.mark.parametrize(
    ("reason", "english", "chinese"),
    [
        ("exit 3", "The step ended with exit code 3", "步骤以退出码 3 结束"),
        ("unreachable", "The host could not be reached", "无法连接到主机"),
        ("", "", ""),
        ("something new", "something new", "something new"),
    ],
)
def test_reason_text(reason: str, english: str, chinese: str) -> None:
    with translation.override("en"):
        assert words.reason_text(reason) == english
    with translation.override("zh-hans"):
        assert words.reason_text(reason) == chinese
