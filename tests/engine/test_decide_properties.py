"""What holds for every snapshot, reachable or not: searched by Hypothesis."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

from hypothesis import assume, given
from hypothesis import strategies as st

from rollcast.engine.decide import (
    Attach,
    AwaitPerson,
    Command,
    Finish,
    MoveRollout,
    MoveTarget,
    Snapshot,
    StartStep,
    StepRunView,
    Stop,
    TargetView,
    decide,
    next_action,
)
from rollcast.engine.recipe import Rerun, Step
from rollcast.engine.states import (
    ROLLOUT_ENDS,
    ROLLOUT_MOVES,
    STEP_ENDS,
    TARGET_ACTIVE,
    TARGET_ENDS,
    TARGET_MOVES,
    RolloutState,
    StepState,
    TargetState,
    Wanted,
)

step_runs = st.builds(
    StepRunView,
    step_index=st.just(0),
    attempt=st.integers(1, 4),
    state=st.sampled_from(StepState),
    reason=st.sampled_from(["", "nothing_ran", "exit_code"]),
    retried=st.booleans(),
)
targets = st.builds(
    TargetView,
    id=st.just(0),
    name=st.sampled_from(["a", "b", "c", "d"]),
    wave=st.integers(1, 3),
    state=st.sampled_from([*TargetState, *[TargetState.PENDING] * 6, *[TargetState.RUNNING] * 2]),
    step_index=st.just(0),
    reason=st.sampled_from(["", "interrupted", "budget_exceeded"]),
    latest=st.none() | step_runs,
)
snapshots = st.builds(
    Snapshot,
    state=st.sampled_from(RolloutState),
    wanted=st.sampled_from([*Wanted, Wanted.RUN, Wanted.RUN]),
    parallel=st.integers(1, 4),
    failure_limit=st.integers(0, 3),
    targets=st.lists(targets, min_size=1, max_size=6).map(
        lambda items: tuple(dataclasses.replace(item, id=number) for number, item in enumerate(items))
    ),
)


def carried_out(snapshot: Snapshot, commands: Sequence[Command]) -> Snapshot:
    """The snapshot after the commands; every move must be one of the tables'."""
    state = snapshot.state
    rows = {target.id: target for target in snapshot.targets}
    for command in commands:
        if isinstance(command, MoveRollout):
            assert command.state in ROLLOUT_MOVES[state]
            state = command.state
        else:
            row = rows[command.target_id]
            assert row.state is command.old
            assert command.new in TARGET_MOVES[command.old]
            rows[row.id] = dataclasses.replace(row, state=command.new, reason=command.reason)
    return dataclasses.replace(snapshot, state=state, targets=tuple(rows.values()))


def started(commands: Sequence[Command]) -> list[int]:
    return [c.target_id for c in commands if isinstance(c, MoveTarget) and c.new is TargetState.RUNNING]


def consistent(snapshot: Snapshot) -> bool:
    """A cancelling rollout is wanted cancelled: a cancel cannot be taken back."""
    return snapshot.state is not RolloutState.CANCELLING or snapshot.wanted is Wanted.CANCEL


@given(snapshots)
def test_every_decision_is_a_legal_move_and_comes_to_a_rest(snapshot: Snapshot) -> None:
    assume(consistent(snapshot))
    for _ in range(4):
        commands = decide(snapshot, 0.0)
        if not commands:
            return
        snapshot = carried_out(snapshot, commands)
    assert decide(snapshot, 0.0) == []


@given(snapshots)
def test_no_more_is_set_going_than_there_are_places(snapshot: Snapshot) -> None:
    assume(consistent(snapshot))
    commands = decide(snapshot, 0.0)
    active = sum(target.state in TARGET_ACTIVE for target in carried_out(snapshot, commands).targets)
    assert not started(commands) or active <= snapshot.parallel


@given(snapshots)
def test_nothing_is_set_going_against_pause_cancel_budget_or_waves(snapshot: Snapshot) -> None:
    going = started(decide(snapshot, 0.0))
    if going:
        assert snapshot.wanted is Wanted.RUN
        assert sum(t.state is TargetState.FAILED for t in snapshot.targets) <= snapshot.failure_limit
        wave = max(t.wave for t in snapshot.targets if t.id in going)
        assert all(t.state in TARGET_ENDS for t in snapshot.targets if t.wave < wave)


@given(snapshots)
def test_a_rollout_ends_if_and_only_if_every_target_has_ended(snapshot: Snapshot) -> None:
    ends = any(isinstance(c, MoveRollout) and c.state in ROLLOUT_ENDS for c in decide(snapshot, 0.0))
    all_ended = all(target.state in TARGET_ENDS for target in snapshot.targets)
    assert ends == (all_ended and snapshot.state not in ROLLOUT_ENDS)


@given(snapshots)
def test_a_place_is_never_left_empty_without_a_reason(snapshot: Snapshot) -> None:
    snapshot = dataclasses.replace(snapshot, state=RolloutState.RUNNING, wanted=Wanted.RUN)
    failed = sum(t.state is TargetState.FAILED for t in snapshot.targets)
    waves = [t.wave for t in snapshot.targets if t.state not in TARGET_ENDS]
    if not waves or failed > snapshot.failure_limit:
        return
    after = carried_out(snapshot, decide(snapshot, 0.0))
    waiting = [t for t in after.targets if t.state is TargetState.PENDING and t.wave == min(waves)]
    active = sum(t.state in TARGET_ACTIVE for t in after.targets)
    assert not waiting or active >= snapshot.parallel


@given(snapshots, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_decides_nothing(snapshot: Snapshot, rng: random.Random) -> None:
    shuffled = list(snapshot.targets)
    rng.shuffle(shuffled)
    other = dataclasses.replace(snapshot, targets=tuple(shuffled))
    assert decide(other, 0.0) == decide(snapshot, 0.0)


@given(targets, st.sampled_from(Rerun), st.integers(1, 2), st.sampled_from(Wanted))
def test_what_may_be_alive_is_attached_to_or_stopped_and_never_passed_over(
    target: TargetView, rerun: Rerun, n_steps: int, wanted: Wanted
) -> None:
    steps = [Step(str(i), "run", 60, rerun, "true") for i in range(n_steps)]
    action = next_action(target, steps, wanted)
    if target.state not in TARGET_ACTIVE:
        assert not isinstance(action, StartStep | Attach | Stop | Finish | AwaitPerson)
    elif target.busy:
        assert isinstance(action, Stop if target.state is TargetState.CANCELLING else Attach)
    else:
        assert not isinstance(action, Attach | Stop)
    if isinstance(action, StartStep):
        assert wanted is Wanted.RUN
        latest = target.latest
        assert latest is None or latest.state in STEP_ENDS | {StepState.PENDING}
        before = (0, 0) if latest is None else (latest.step_index, latest.attempt)
        assert (action.step_index, action.attempt) in {(before[0], before[1] + 1), (before[0] + 1, 1)}
