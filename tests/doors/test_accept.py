"""A cancel that its host does not confirm, at every door: what is said of it, and how a person accepts it."""

from __future__ import annotations

import time

import pytest

from rollcast.engine.states import StepState
from rollcast.rollouts import actions, leases, queries
from rollcast.rollouts.actions import StartRequest, StepChange
from rollcast.worker.conduct import conduct
from tests.doors.doors import Door


@pytest.fixture
def unconfirmed(fleet: None, recipes: object) -> int:
    """A cancelled rollout whose only host was in mid-step and is out of reach; its id."""
    rollout_id = actions.start_rollout(
        StartRequest("hello", {"version": "1.2"}, selector="name=us-01", waves="rest"), "user:olga"
    )
    now = time.time()
    worker = leases.register("away", now, {})
    (held,) = leases.claim_rollouts(worker, now, 1)
    while conduct(held, now):
        pass
    (target,) = leases.claim_targets(worker, now, 1)
    assert actions.begin_step(target.id, target.fence, 0, 1)
    actions.cancel_rollout(rollout_id, "user:olga")
    while conduct(held, now):
        pass
    starting = StepState.STARTING
    seen = {"stop_evidence": "unconfirmed", "detail": "us-01: nobody answers"}
    note = StepChange(target.id, target.fence, 0, 1, frozenset({starting}), starting, seen)
    assert actions.record([note]) == [True]
    return rollout_id


def test_every_door_says_what_can_be_done_and_does_it(door: Door, unconfirmed: int) -> None:
    said = door.show(unconfirmed)
    assert "us-01" in said
    assert "accept it with a reason" in said
    assert "A reason is required." in door.accept(unconfirmed, "us-01", " ")
    assert "Did you mean us-01?" in door.accept(unconfirmed, "us-1", "scrapped")
    assert door.accept(unconfirmed, "us-01", "us-01 was scrapped") == ""
    (target,) = queries.rollout_page(unconfirmed)["targets"]
    step = target["steps"][0]
    assert (target["state"], step["state"], step["stop_evidence"]) == (
        "cancelled",
        "cancelled",
        "unconfirmed",
    )
    assert step["accepted_by"].split(":")[0] in {"user", "cli"}
    assert step["accepted_reason"] == "us-01 was scrapped"
