"""How far a rollout is, as counts of targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rollcast.engine.states import TARGET_ENDS, TargetState


@dataclass(frozen=True)
class Counts:
    """`states` has every target state; `waves` the same for each wave, in order."""

    total: int
    ended: int
    states: Mapping[TargetState, int]
    waves: Mapping[int, Mapping[TargetState, int]]

    @property
    def percent(self) -> int:
        """Ended targets of all, rounded down: 100 means all; 100 as well if there is none."""
        return 100 * self.ended // self.total if self.total else 100


def counts(targets: Iterable[tuple[int, TargetState]]) -> Counts:
    """Counts of `(wave, state)` pairs."""
    pairs = list(targets)
    waves = {
        wave: _per_state(state for other, state in pairs if other == wave)
        for wave in sorted({wave for wave, _ in pairs})
    }
    ended = sum(state in TARGET_ENDS for _, state in pairs)
    return Counts(len(pairs), ended, _per_state(state for _, state in pairs), waves)


def _per_state(states: Iterable[TargetState]) -> dict[TargetState, int]:
    found = Counter(states)
    return {state: found[state] for state in TargetState}
