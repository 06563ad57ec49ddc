"""How many hosts may fail: `2` or `5%` of the selected hosts, rounded up.

The budget is *exceeded* when more hosts failed than it allows: a budget of 0 stops at the first failure,
one of 2 at the third.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from rollcast.engine.problems import InputError, Problem, gettext_noop

_SHAPE: Final = re.compile(r"(\d{1,6})\s*(%?)", flags=re.ASCII)


@dataclass(frozen=True)
class Budget:
    """`amount` hosts, or `amount` percent of them."""

    amount: int
    percent: bool = False

    def limit(self, n_hosts: int) -> int:
        """How many of `n_hosts` may fail before nothing more is started."""
        return percent_of(self.amount, n_hosts) if self.percent else self.amount


def parse_budget(text: str) -> Budget:
    """Read a failure budget; InputError (field `failure_budget`)."""
    match = _SHAPE.fullmatch(text.strip())
    if match is None:
        raise InputError(
            Problem(
                "budget_shape",
                gettext_noop("“%(text)s” is no failure budget."),
                {"text": text},
                gettext_noop("Write a number of hosts (2) or a percentage of them (5%%)."),
                field="failure_budget",
            )
        )
    amount, percent = int(match[1]), bool(match[2])
    if percent and amount > 100:
        raise InputError(
            Problem(
                "budget_percent",
                gettext_noop("A failure budget of %(amount)d%% is more than all hosts."),
                {"amount": amount},
                gettext_noop("100%% lets every host fail; less is safer."),
                field="failure_budget",
            )
        )
    return Budget(amount, percent)


def exceeded(n_failed: int, limit: int) -> bool:
    """Whether so many failures are more than the budget allows."""
    return n_failed > limit


def percent_of(percent: int, n_hosts: int) -> int:
    """`percent` of `n_hosts`, rounded up, by whole numbers: 25% of 24 is 6, 1% of 24 is 1."""
    return -(-n_hosts * percent // 100)
