"""Thousands of rollouts in which everything goes wrong: see simulation.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from typing_extensions import override

from rollcast.engine.decide import Command, MoveRollout, decide
from rollcast.engine.states import ROLLOUT_ENDS, TARGET_ENDS, RolloutState, TargetState
from tests.engine.simulated_rows import BrokenPromise
from tests.engine.simulation import Worker, World

# Seeds per test: the batches let parallel test processes share them.
BATCH = 150


@pytest.mark.parametrize(
    "batch", [*range(4), *(pytest.param(n, marks=pytest.mark.long) for n in range(4, 8))]
)
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
    troubles = ("crash", "-> lost", "-> interrupted nothing_ran", "-> interrupted \n", "budget_exceeded")
    for trouble in (*troubles, "accepted"):
        assert trouble in seen, trouble


class TwoTransactions(World):
    """A conductor that decides in one transaction and carries it out in a later one, by compare-and-set."""

    decided: tuple[int, Sequence[Command]] | None = None

    @override
    def _conduct(self, worker: Worker) -> None:
        if self.conductor != worker.name:
            return
        if self.decided is None:
            self.decided = self.fence, decide(self.snapshot(), self.now)
            return
        (fence, commands), self.decided = self.decided, None
        if fence == self.fence:
            self.carry_out([command for command in commands if self._still_fits(command)])

    def _still_fits(self, command: Command) -> bool:
        if isinstance(command, MoveRollout):
            return command.state not in ROLLOUT_ENDS or all(t.state in TARGET_ENDS for t in self.targets)
        return self.targets[command.target_id].state is command.old


def test_a_decision_and_what_it_does_belong_in_one_transaction() -> None:
    broken: Counter[str] = Counter()
    for seed in range(BATCH):
        try:
            TwoTransactions(seed).run()
        except BrokenPromise as promise:
            broken[str(promise).splitlines()[0].partition(" ")[2]] += 1
    assert broken["set going while pause is wanted"], broken
