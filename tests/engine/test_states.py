"""The tables of moves, and the counts that are shown of them."""

from __future__ import annotations

from enum import Enum

import pytest

from rollcast.engine.progress import counts
from rollcast.engine.states import (
    ROLLOUT_ENDS,
    ROLLOUT_MOVES,
    STEP_BUSY,
    STEP_ENDS,
    STEP_MOVES,
    TARGET_ACTIVE,
    TARGET_ENDS,
    TARGET_MOVES,
    RolloutState,
    StepState,
    TargetState,
)


@pytest.mark.parametrize(
    ("moves", "states"),
    [(ROLLOUT_MOVES, RolloutState), (TARGET_MOVES, TargetState), (STEP_MOVES, StepState)],
)
def test_every_state_has_its_moves_and_every_state_is_reached(
    moves: dict[Enum, frozenset[Enum]], states: type[Enum]
) -> None:
    assert set(moves) == set(states)
    reached = set().union(*moves.values())
    assert set(states) - reached == {states("pending")} - reached


def test_a_target_is_pending_active_or_ended() -> None:
    assert TARGET_ACTIVE | TARGET_ENDS | {TargetState.PENDING} == set(TargetState)
    assert not TARGET_ACTIVE & TARGET_ENDS


def test_no_target_ends_straight_from_lost() -> None:
    assert not TARGET_MOVES[TargetState.LOST] & TARGET_ENDS


def test_a_step_run_that_ended_stays_as_it_is() -> None:
    assert set(StepState) - STEP_BUSY - {StepState.PENDING} == STEP_ENDS


def test_only_a_retry_leaves_an_end() -> None:
    for state in ROLLOUT_ENDS:
        assert ROLLOUT_MOVES[state] <= {RolloutState.RUNNING}
    for target_state in TARGET_ENDS:
        assert TARGET_MOVES[target_state] <= {TargetState.PENDING}
    assert not ROLLOUT_MOVES[RolloutState.CANCELLED]


def test_progress_counts_states_per_wave() -> None:
    found = counts(
        [
            (1, TargetState.SUCCEEDED),
            (2, TargetState.RUNNING),
            (2, TargetState.FAILED),
            (3, TargetState.PENDING),
        ]
    )
    assert (found.total, found.ended, found.percent) == (4, 2, 50)
    assert found.states[TargetState.PENDING] == 1
    assert found.states[TargetState.LOST] == 0
    assert list(found.waves) == [1, 2, 3]
    assert found.waves[2][TargetState.FAILED] == 1
    assert counts([]).percent == 100
    assert counts([(1, TargetState.SUCCEEDED)] * 199 + [(1, TargetState.RUNNING)]).percent == 99
