"""Which hosts go together: `1, 25%, +10, rest`.

Parts are separated by commas and taken in order: `N` hosts, `+N` the same, `N%` of *all selected* hosts
rounded up, `rest` (last only) whatever is left. Hosts go in name order. A part that finds no host left
makes no wave. Hosts that no part takes are an error, never left out silently.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rollcast.engine.budget import percent_of
from rollcast.engine.problems import InputError, Problem, gettext_noop

# More parts than anybody writes by hand.
MAX_PARTS: Final = 100
_PART: Final = re.compile(r"\+?(\d{1,6})\s*(%?)", flags=re.ASCII)
_CURE: Final = gettext_noop("Write numbers, percentages and rest, separated by commas: 1, 25%%, rest.")


@dataclass(frozen=True)
class WavePart:
    """`amount` hosts, or percent of all of them; amount None = the rest."""

    amount: int | None
    percent: bool = False

    def size(self, n_hosts: int, n_left: int) -> int:
        """How many hosts this wave takes of the `n_left` that are left of `n_hosts`."""
        if self.amount is None:
            return n_left
        wanted = percent_of(self.amount, n_hosts) if self.percent else self.amount
        return min(wanted, n_left)


@dataclass(frozen=True)
class WavePlan:
    """A parsed plan."""

    parts: tuple[WavePart, ...]
    text: str

    def split(self, host_names: Sequence[str]) -> list[list[str]]:
        """The waves, in name order, none of them empty; InputError if hosts are left over."""
        ordered = sorted(host_names)
        waves: list[list[str]] = []
        taken = 0
        for part in self.parts:
            size = part.size(len(ordered), len(ordered) - taken)
            if size:
                waves.append(ordered[taken : taken + size])
                taken += size
        if taken < len(ordered):
            raise InputError(
                Problem(
                    "waves_leftover",
                    gettext_noop("The waves “%(text)s” take %(taken)d of %(hosts)d hosts."),
                    {"text": self.text, "taken": taken, "hosts": len(ordered)},
                    gettext_noop("End them with rest, or select fewer hosts."),
                    field="waves",
                )
            )
        return waves


def parse_waves(text: str) -> WavePlan:
    """Read a plan of waves; InputError (field `waves`)."""
    pieces = [piece.strip() for piece in text.split(",")]
    if len(pieces) > MAX_PARTS:
        raise _problem("waves_too_many", gettext_noop("There are more than %(most)d waves."), most=MAX_PARTS)
    parts = tuple(
        _parse_part(piece, number, last=len(pieces)) for number, piece in enumerate(pieces, start=1)
    )
    return WavePlan(parts, text)


def plan_waves(plan_text: str, host_names: Sequence[str]) -> list[list[str]]:
    """The waves of `host_names` by the plan; InputError for a bad plan or hosts left over."""
    return parse_waves(plan_text).split(host_names)


def _parse_part(piece: str, number: int, last: int) -> WavePart:
    if piece == "rest":
        if number != last:
            raise _problem(
                "waves_rest_not_last",
                gettext_noop("“rest” is wave %(number)d of %(last)d: nothing is left for those after it."),
                number=number,
                last=last,
            )
        return WavePart(None)
    match = _PART.fullmatch(piece)
    if match is None:
        raise _problem(
            "waves_shape",
            gettext_noop("Wave %(number)d, “%(piece)s”, is no size."),
            number=number,
            piece=piece,
        )
    amount, percent = int(match[1]), bool(match[2])
    if amount == 0 or (percent and amount > 100):
        raise _problem(
            "waves_size",
            gettext_noop("Wave %(number)d, “%(piece)s”, must take at least 1 host and at most 100%%."),
            number=number,
            piece=piece,
        )
    return WavePart(amount, percent)


def _problem(code: str, template: str, **params: object) -> InputError:
    return InputError(Problem(code, template, params, _CURE, field="waves"))
