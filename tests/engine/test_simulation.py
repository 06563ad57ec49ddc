"""Thousands of rollouts in which everything goes wrong: see simulation.py."""

from __future__ import annotations

from collections import Counter

import pytest

from rollcast.engine.states import RolloutState, TargetState
from tests.engine.simulation import World

# Seeds per test: the batches let parallel test processes share them.
BATCH = 150


@pytest.mark.parametrize("batch", range(8))
def test_no_promise_is_broken_whatever_goes_wrong(batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        World(seed).run()


def test_the_simulation_reaches_every_end_and_every_trouble() -> None:
    ends: Counter[str] = Counter()
    seen = ""
    for seed in range(BATCH):
        world = World(seed)
        world.run()
        ends[world.state] += 1
        ends.update(target.state for target in world.targets)
        seen += "\n".join(world.trace)
    for state in (RolloutState.SUCCEEDED, RolloutState.FAILED, RolloutState.CANCELLED, RolloutState.PAUSED):
        assert ends[state], ends
    assert ends[TargetState.SKIPPED], ends
    for trouble in ("crash", "-> lost", "-> interrupted nothing_ran", "-> interrupted \n", "budget_exceeded"):
        assert trouble in seen, trouble
