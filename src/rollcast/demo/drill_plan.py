"""What a drill does and when: a pure function of its seed, its length and its style.

Promise: the same arguments give the same faults at the same moments, and no five seconds pass without one.
What a fault hits depends on what there is at that moment, so the plan holds a number from 0 to 1 by which it
is picked then: two runs of a seed do the same, but need not hit the same.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

# `apart`: the web alone and two workers beside it. `together`: web and worker in one process.
Style: TypeAlias = Literal["apart", "together"]
Kind: TypeAlias = Literal[
    "worker_kill",
    "worker_term",
    "worker_freeze",
    "web_kill",
    "web_term",
    "console_kill",
    "console_term",
    "browser_cut",
    "ssh_cut",
    "sshd_restart",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_EVERYWHERE: Final[tuple[Kind, ...]] = ("browser_cut", "ssh_cut", "sshd_restart")
KINDS_OF: Final[dict[Style, tuple[Kind, ...]]] = {
    "apart": ("worker_kill", "worker_term", "worker_freeze", "web_kill", "web_term", *_EVERYWHERE),
    "together": ("console_kill", "console_term", *_EVERYWHERE),
}
# Seconds between two faults: short enough that some meet while another is not mended yet.
GAP_S: Final = (1.0, 4.5)
# Seconds for which a host's SSH server stays away, and a worker is frozen: longer than its lease is trusted.
AWAY_S: Final = (0.5, 4.0)
FROZEN_S: Final = (11.0, 14.0)


@dataclass(frozen=True)
class Fault:
    """One fault, `at_s` seconds after the drill's beginning."""

    at_s: float
    kind: Kind
    pick: float  # from 0 to 1 (never 1): which of all that it could hit
    lasts_s: float  # only of sshd_restart and worker_freeze


def style_of(seed: int) -> Style:
    """Even seeds drill the processes apart, odd ones together."""
    return "together" if seed % 2 else "apart"


def fault_plan(seed: int, seconds: float, style: Style) -> tuple[Fault, ...]:
    """The faults of a drill in order of time; each kind comes up once before any comes up again."""
    rng = random.Random(f"{seed} {style}")
    faults: list[Fault] = []
    deck: list[Kind] = []
    at_s = rng.uniform(*GAP_S)
    while at_s < seconds:
        if not deck:
            deck = rng.sample(KINDS_OF[style], len(KINDS_OF[style]))
        kind = deck.pop()
        lasts_s = rng.uniform(*(FROZEN_S if kind == "worker_freeze" else AWAY_S))
        faults.append(Fault(at_s, kind, rng.random(), lasts_s))
        at_s += rng.uniform(*GAP_S)
    return tuple(faults)
