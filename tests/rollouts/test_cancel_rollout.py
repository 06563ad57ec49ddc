"""cancel_rollout."""

from __future__ import annotations

import pytest

from rollcast.engine.states import StepState, TargetState
from rollcast.rollouts import actions
from rollcast.rollouts.actions import NotPossible
from tests.rollouts.conftest import Desk


def test_what_has_not_begun_is_cancelled_and_what_runs_is_stopped_first(desk: Desk) -> None:
    desk.hosts("eu-01", "eu-02")
    rollout = desk.start(parallel=1)
    desk.conduct(rollout)
    target = desk.targets(rollout)["eu-01"]
    assert desk.begin(target, 0)
    actions.cancel_rollout(rollout, "user:olga")
    desk.conduct(rollout)
    assert desk.states(rollout) == {"eu-01": "cancelling", "eu-02": "cancelled"}
    assert desk.page(rollout)["rollout"]["state"] == "cancelling"
    assert not desk.page(rollout)["feed"]["closed"]
    assert desk.end_step(target, 0, StepState.CANCELLED, stop_evidence="stopped")
    assert desk.end_target(target, TargetState.CANCELLED)
    desk.conduct(rollout)
    page = desk.page(rollout)
    assert page["rollout"]["state"] == "cancelled"
    assert page["feed"]["closed"]
    assert page["targets"][0]["steps"][0]["stop_evidence"] == "stopped"


def test_no_step_begins_once_a_cancel_was_asked_for(desk: Desk) -> None:
    desk.hosts("eu-01")
    rollout = desk.start()
    desk.conduct(rollout)
    actions.cancel_rollout(rollout, "user:olga")
    assert not desk.begin(desk.targets(rollout)["eu-01"], 0)


def test_a_second_cancel_is_not_possible(desk: Desk) -> None:
    desk.hosts("eu-01")
    rollout = desk.start()
    actions.cancel_rollout(rollout, "user:olga")
    with pytest.raises(NotPossible):
        actions.cancel_rollout(rollout, "user:olga")


def test_a_paused_rollout_can_be_cancelled(desk: Desk) -> None:
    desk.hosts("eu-01")
    rollout = desk.start()
    actions.pause_rollout(rollout, "user:olga")
    desk.conduct(rollout)
    actions.cancel_rollout(rollout, "user:olga")
    desk.conduct(rollout)
    assert desk.page(rollout)["rollout"]["state"] == "cancelled"
