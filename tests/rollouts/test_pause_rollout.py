"""pause_rollout and resume_rollout."""

from __future__ import annotations

from typing import Any

import pytest

from rollcast.access.models import AuditEntry
from rollcast.engine.states import StepState
from rollcast.rollouts import actions
from rollcast.rollouts.actions import NotPossible, RolloutNotFound
from tests.rollouts.conftest import Desk


def test_a_pause_is_an_intent_until_the_step_under_way_has_ended(desk: Desk, feed_of: Any) -> None:
    desk.hosts("eu-01")
    rollout = desk.start()
    desk.conduct(rollout)
    target = desk.targets(rollout)["eu-01"]
    assert desk.begin(target, 0)
    actions.pause_rollout(rollout, "user:olga")
    desk.conduct(rollout)
    assert (desk.page(rollout)["rollout"]["state"], desk.page(rollout)["rollout"]["wanted"]) == (
        "running",
        "pause",
    )
    assert desk.end_step(target, 0, StepState.SUCCEEDED)
    assert not desk.begin(target, 1)
    desk.conduct(rollout)
    assert desk.page(rollout)["rollout"]["state"] == "paused"
    actions.resume_rollout(rollout, "user:olga")
    desk.conduct(rollout)
    assert desk.begin(target, 1)
    assert [kind for kind, _ in feed_of(rollout) if kind in ("rollout.paused", "rollout.resumed")] == [
        "rollout.paused",
        "rollout.resumed",
    ]
    verbs = AuditEntry.objects.order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["rollout.started", "rollout.paused", "rollout.resumed"]


def test_a_second_pause_is_not_possible(desk: Desk) -> None:
    desk.hosts("eu-01")
    rollout = desk.start()
    actions.pause_rollout(rollout, "user:olga")
    with pytest.raises(NotPossible):
        actions.pause_rollout(rollout, "user:olga")


def test_what_was_not_paused_cannot_be_resumed(desk: Desk) -> None:
    desk.hosts("eu-01")
    with pytest.raises(NotPossible):
        actions.resume_rollout(desk.start(), "user:olga")


def test_a_rollout_that_has_ended_cannot_be_paused(desk: Desk) -> None:
    desk.hosts("eu-01")
    rollout = desk.start()
    desk.conduct(rollout)
    desk.succeed(desk.targets(rollout)["eu-01"])
    desk.conduct(rollout)
    with pytest.raises(NotPossible) as caught:
        actions.pause_rollout(rollout, "user:olga")
    assert "succeeded" in str(caught.value)


def test_there_must_be_such_a_rollout(desk: Desk) -> None:
    with pytest.raises(RolloutNotFound):
        actions.pause_rollout(4711, "user:olga")
