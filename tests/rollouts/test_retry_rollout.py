"""retry_rollout."""

from __future__ import annotations

import pytest

from rollcast.engine.problems import InputError
from rollcast.engine.states import StepState
from rollcast.rollouts import actions
from rollcast.rollouts.actions import NotPossible
from tests.rollouts.conftest import Desk


def ended_with_a_failure(desk: Desk, budget: str = "1") -> int:
    """A rollout in which eu-01 failed and eu-02 (if the budget let it) succeeded."""
    desk.hosts("eu-01", "eu-02")
    rollout = desk.start(parallel=1, failure_budget=budget)
    desk.conduct(rollout)
    targets = desk.targets(rollout)
    desk.fail(targets["eu-01"])
    desk.conduct(rollout)
    if desk.states(rollout)["eu-02"] == "running":
        desk.succeed(targets["eu-02"])
        desk.conduct(rollout)
    return rollout


def test_a_rollout_that_succeeded_with_failures_runs_again_and_its_feed_goes_on(desk: Desk) -> None:
    rollout = ended_with_a_failure(desk)
    page = desk.page(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert page["feed"]["closed"]
    actions.retry_rollout(rollout, "user:olga")
    again = desk.page(rollout)
    assert (again["rollout"]["state"], again["rollout"]["ended_at_ms"]) == ("running", None)
    assert not again["feed"]["closed"]
    assert again["feed"]["epoch"] == page["feed"]["epoch"]
    assert again["feed"]["head"] > page["feed"]["head"]
    assert desk.states(rollout) == {"eu-01": "pending", "eu-02": "succeeded"}
    desk.conduct(rollout)
    target = desk.targets(rollout)["eu-01"]
    assert desk.begin(target, 0, attempt=2)
    assert desk.end_step(target, 0, StepState.SUCCEEDED, attempt=2)


def test_skipped_hosts_are_tried_too(desk: Desk) -> None:
    rollout = ended_with_a_failure(desk, budget="0")
    assert desk.states(rollout) == {"eu-01": "failed", "eu-02": "skipped"}
    actions.retry_rollout(rollout, "user:olga")
    assert desk.states(rollout) == {"eu-01": "pending", "eu-02": "pending"}


def test_only_the_named_hosts_are_tried(desk: Desk) -> None:
    rollout = ended_with_a_failure(desk)
    with pytest.raises(InputError) as caught:
        actions.retry_rollout(rollout, "user:olga", ["eu-02"])
    assert "eu-02" in str(caught.value)
    assert not isinstance(caught.value, NotPossible)
    actions.retry_rollout(rollout, "user:olga", ["eu-01"])
    assert desk.states(rollout)["eu-01"] == "pending"


def test_an_interrupted_target_stays_running_and_may_be_tried_once_more(desk: Desk) -> None:
    desk.hosts("eu-01")
    rollout = desk.start()
    desk.conduct(rollout)
    target = desk.targets(rollout)["eu-01"]
    assert desk.begin(target, 0)
    assert desk.end_step(target, 0, StepState.INTERRUPTED, reason="gone")
    assert desk.wait_for_person(target)
    actions.retry_rollout(rollout, "user:olga")
    row = desk.page(rollout)["targets"][0]
    assert (row["state"], row["reason"]) == ("running", "")
    assert desk.begin(target, 0, attempt=2)


def test_without_anything_to_try_it_is_not_possible(desk: Desk) -> None:
    desk.hosts("eu-01")
    rollout = desk.start()
    with pytest.raises(NotPossible):
        actions.retry_rollout(rollout, "user:olga")


def test_a_cancelled_rollout_is_not_tried_again(desk: Desk) -> None:
    desk.hosts("eu-01")
    rollout = desk.start()
    actions.cancel_rollout(rollout, "user:olga")
    desk.conduct(rollout)
    with pytest.raises(NotPossible):
        actions.retry_rollout(rollout, "user:olga")
