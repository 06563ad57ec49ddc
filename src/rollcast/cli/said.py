"""What the command line says: tables and JSON on stdout, problems on stderr, and the exit code of each."""

from __future__ import annotations

import json
import re
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rollcast.engine.problems import Problem

OK: Final = 0
FAILED: Final = 1
BAD_INPUT: Final = 2

_SGR: Final = re.compile(r"\x1b\[[0-9;:]*m")
# Other escape sequences (titles, cursor moves, clipboard) and control characters: a host must not steer the
# terminal of whoever watches it.
_STEERING: Final = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC
    r"|\x1b\[[0-?]*[ -/]*[@-ln-~]"  # CSI other than colours
    r"|\x1b(?!\[[0-9;:]*m)[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]"
)


def print_json(value: object) -> None:
    """One JSON value on one line."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def print_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as their widest cell on a terminal; nothing but the heads when there are no rows."""
    table = [list(heads), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def shown(text: str, *, colour: bool) -> str:
    """A line of a host's output as a terminal may have it: without what was overwritten, at most coloured."""
    visible = next((part for part in reversed(text.split("\r")) if part), "")
    safe = _STEERING.sub("", visible)
    if colour:
        return safe + ("\x1b[0m" if "\x1b" in safe else "")
    return _SGR.sub("", safe)


def result(state: str, targets: Iterable[str]) -> str:
    """A rollout's state with what it must not hide: "succeeded, 2 failed"."""
    counts = Counter(targets)
    return ", ".join([state, *(f"{counts[end]} {end}" for end in ("failed", "skipped") if counts[end])])


def time_of_day(at_ms: int) -> str:
    """Unix milliseconds as this machine's clock shows them: 14:03:07."""
    return time.strftime("%H:%M:%S", time.localtime(at_ms / 1000))


def say(what: str, cure: str = "") -> None:
    """What is wrong and what to do about it, on stderr."""
    print(f"rollcast: {what}", file=sys.stderr)
    if cure:
        print(f"          {cure}", file=sys.stderr)


def problem_json(problem: Problem) -> dict[str, object]:
    """The same as an object, for `--json`."""
    return {
        "code": problem.code,
        "message": problem.message,
        "cure": problem.cure_text,
        "line": problem.line,
        "field": problem.field,
    }


def say_problem(problem: Problem) -> None:
    """What is wrong, where, and the cure, on stderr."""
    place = f"{problem.where}: " if problem.where else ""
    say(place + problem.message, problem.cure_text)


def say_error(error: Exception) -> int:
    """Say what is wrong on stderr; returns the exit code. Raises what is unforeseen."""
    from rollcast.engine.problems import InputError

    if isinstance(error, InputError):
        for problem in error.problems:
            say_problem(problem)
        return FAILED if _is_refusal(error) else BAD_INPUT
    if isinstance(error, KeyError | IndexError) or not isinstance(error, OSError | LookupError):
        raise error
    say(str(error))
    return FAILED


def _is_refusal(error: Exception) -> bool:
    """Whether the input was right and the state of things forbids it."""
    from django.conf import settings

    if not settings.configured:
        return False
    from rollcast.rollouts.actions import NotPossible

    return isinstance(error, NotPossible)
