"""accept_rollout, and cancel_rollout asked for again: the two ways out of a cancel that no host confirms."""

from __future__ import annotations

from typing import Any

import pytest

from rollcast.access.models import AuditEntry
from rollcast.engine.problems import InputError
from rollcast.engine.states import STEP_BUSY, StepState, TargetState
from rollcast.rollouts import actions
from rollcast.rollouts.actions import NotPossible, StepChange
from tests.rollouts.conftest import Desk

REASON = "eu-01 was taken out of the rack"


def cancelling(desk: Desk, *unconfirmed: str) -> int:
    """A cancelled rollout of two hosts in mid-step; those named have not confirmed it."""
    desk.hosts("eu-01", "eu-02")
    rollout = desk.start(parallel=2, waves="rest")
    desk.conduct(rollout)
    for target in desk.targets(rollout).values():
        assert desk.begin(target, 0)
    actions.cancel_rollout(rollout, "user:olga")
    desk.conduct(rollout)
    for name in unconfirmed:
        assert says_unconfirmed(desk, desk.targets(rollout)[name])
    return rollout


def says_unconfirmed(desk: Desk, target: int) -> bool:
    """Its worker notes that the host could not confirm the stop."""
    old = frozenset({StepState.STARTING})
    fields = {"stop_evidence": "unconfirmed", "detail": "eu-01: nobody answers"}
    change = StepChange(target, desk.fence(target), 0, 1, old, StepState.STARTING, fields)
    return actions.record([change])[0]


def test_an_accepted_host_is_cancelled_with_name_and_reason_and_the_rollout_ends(
    desk: Desk, feed_of: Any
) -> None:
    rollout = cancelling(desk, "eu-01")
    other = desk.targets(rollout)["eu-02"]
    assert desk.end_step(other, 0, StepState.CANCELLED, stop_evidence="stopped")
    assert desk.end_target(other, TargetState.CANCELLED)
    before = desk.page(rollout)["feed"]["head"]
    actions.accept_rollout(rollout, "user:olga", ["eu-01"], f" {REASON}\n")
    desk.conduct(rollout)
    page = desk.page(rollout)
    assert (page["rollout"]["state"], page["feed"]["closed"]) == ("cancelled", True)
    assert desk.states(rollout) == {"eu-01": "cancelled", "eu-02": "cancelled"}
    step = page["targets"][0]["steps"][0]
    assert (step["state"], step["stop_evidence"]) == ("cancelled", "unconfirmed")
    assert (step["accepted_by"], step["accepted_reason"]) == ("user:olga", REASON)
    assert step["detail"] == "eu-01: nobody answers"
    told = {"by": "user:olga", "targets": ["eu-01"], "reason": REASON}
    assert ("rollout.accepted", told) in feed_of(rollout, before)
    entry = AuditEntry.objects.get(verb="rollout.accepted")
    assert (entry.actor, entry.subject) == ("user:olga", f"rollout/{rollout}")
    assert entry.detail == {"targets": ["eu-01"], "reason": REASON}


def test_the_other_hosts_are_waited_for(desk: Desk) -> None:
    rollout = cancelling(desk, "eu-01", "eu-02")
    actions.accept_rollout(rollout, "user:olga", ["eu-01"], REASON)
    desk.conduct(rollout)
    assert desk.page(rollout)["rollout"]["state"] == "cancelling"
    assert desk.states(rollout) == {"eu-01": "cancelled", "eu-02": "cancelling"}


def test_what_a_worker_finds_out_afterwards_changes_nothing(desk: Desk) -> None:
    rollout = cancelling(desk, "eu-01")
    target = desk.targets(rollout)["eu-01"]
    fence = desk.fence(target)
    actions.accept_rollout(rollout, "user:olga", ["eu-01"], REASON)
    late = StepChange(target, fence, 0, 1, STEP_BUSY, StepState.FAILED, {"reason": "exit 1"})
    assert actions.record([late]) == [False]
    assert desk.page(rollout)["targets"][0]["steps"][0]["state"] == "cancelled"


@pytest.mark.parametrize(
    ("targets", "reason"), [(["eu-02"], REASON), (["eu-03"], REASON), ([], REASON), (["eu-01"], " ")]
)
def test_an_acceptance_that_makes_no_sense_changes_nothing(
    desk: Desk, targets: list[str], reason: str
) -> None:
    rollout = cancelling(desk, "eu-01")
    before = desk.page(rollout)
    with pytest.raises(InputError) as refused:
        actions.accept_rollout(rollout, "user:olga", targets, reason)
    assert not isinstance(refused.value, NotPossible)
    assert desk.page(rollout) == before


def test_while_no_host_is_unconfirmed_it_is_not_possible(desk: Desk) -> None:
    rollout = cancelling(desk)
    with pytest.raises(NotPossible):
        actions.accept_rollout(rollout, "user:olga", ["eu-01"], REASON)


def test_without_a_cancel_it_is_not_possible(desk: Desk) -> None:
    desk.hosts("eu-01")
    rollout = desk.start()
    desk.conduct(rollout)
    with pytest.raises(NotPossible):
        actions.accept_rollout(rollout, "user:olga", ["eu-01"], REASON)


def test_a_cancel_may_be_asked_for_again_while_a_host_has_not_confirmed_it(desk: Desk, feed_of: Any) -> None:
    rollout = cancelling(desk)
    with pytest.raises(NotPossible):
        actions.cancel_rollout(rollout, "user:olga")
    assert says_unconfirmed(desk, desk.targets(rollout)["eu-01"])
    before = desk.page(rollout)
    actions.cancel_rollout(rollout, "user:paul")
    page = desk.page(rollout)
    assert page["rollout"]["state"] == "cancelling"
    assert page["rollout"]["version"] == before["rollout"]["version"] + 1  # a worker sees that it was asked
    assert ("rollout.cancelled", {"by": "user:paul"}) in feed_of(rollout, before["feed"]["head"])
