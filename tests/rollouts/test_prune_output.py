"""prune_output: only what has ended and whose account is closed, and nothing but the output."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

import livefeed
from rollcast.engine.states import JOURNAL_DIFFERS, StepState, TargetState
from rollcast.rollouts import actions, queries
from rollcast.rollouts.keys import feed_key
from tests.rollouts.conftest import Desk

SOON = timezone.now() + timedelta(days=1)


def kept(rollout_id: int) -> int:
    state = livefeed.head(feed_key(rollout_id))
    return state.head + 1 - state.first


@pytest.fixture
def ended(desk: Desk) -> int:
    """A rollout that succeeded on one host."""
    desk.hosts("eu-01")
    rollout = desk.start()
    desk.conduct(rollout)
    desk.succeed(desk.targets(rollout)["eu-01"])
    desk.conduct(rollout)
    assert desk.page(rollout)["rollout"]["state"] == "succeeded"
    return rollout


def test_what_ended_is_pruned_and_the_rollout_stays(desk: Desk, ended: int) -> None:
    page = desk.page(ended)
    assert actions.with_old_output(SOON) == [ended]
    assert not actions.prune_output(ended, SOON)
    assert kept(ended) == 0
    assert actions.with_old_output(SOON) == []
    assert desk.page(ended) == page
    assert queries.journal_account(ended)


def test_what_ended_after_that_is_not(desk: Desk, ended: int) -> None:
    long_ago = timezone.now() - timedelta(days=1)
    assert actions.with_old_output(long_ago) == []
    assert not actions.prune_output(ended, long_ago)
    assert kept(ended) > 0


@pytest.mark.parametrize("verb", [None, "pause_rollout", "cancel_rollout"])
def test_what_has_not_ended_is_never_pruned(desk: Desk, verb: str | None) -> None:
    desk.hosts("eu-01")
    rollout = desk.start()
    desk.conduct(rollout)
    assert desk.begin(desk.targets(rollout)["eu-01"], 0)
    if verb is not None:
        getattr(actions, verb)(rollout, "user:olga")
        desk.conduct(rollout)
    assert actions.with_old_output(SOON) == []
    assert not actions.prune_output(rollout, SOON)
    assert kept(rollout) > 0


def test_a_journal_that_could_not_be_matched_is_kept(desk: Desk) -> None:
    desk.hosts("eu-01")
    rollout = desk.start()
    desk.conduct(rollout)
    target = desk.targets(rollout)["eu-01"]
    assert desk.begin(target, 0)
    assert desk.end_step(target, 0, StepState.FAILED, exit_code=0, reason=JOURNAL_DIFFERS)
    assert desk.end_target(target, TargetState.FAILED, JOURNAL_DIFFERS)
    desk.conduct(rollout)
    assert desk.page(rollout)["rollout"]["state"] == "failed"
    assert actions.with_old_output(SOON) == []
    assert not actions.prune_output(rollout, SOON)
    assert kept(rollout) > 0


def test_a_rollout_that_is_tried_again_goes_on_in_its_feed(desk: Desk, feed_of: Any) -> None:
    desk.hosts("eu-01")
    rollout = desk.start(failure_budget="1")
    desk.conduct(rollout)
    desk.fail(desk.targets(rollout)["eu-01"])
    desk.conduct(rollout)
    head = livefeed.head(feed_key(rollout)).head
    assert not actions.prune_output(rollout, SOON)
    actions.retry_rollout(rollout, "user:olga")
    assert not actions.prune_output(rollout, SOON)
    assert [kind for kind, _ in feed_of(rollout, head)] == [
        "rollout.state",
        "target.state",
        "rollout.retried",
    ]
    desk.conduct(rollout)
    assert desk.states(rollout) == {"eu-01": "running"}


def test_it_goes_by_parts(desk: Desk, ended: int) -> None:
    for n in range(120):
        livefeed.append(feed_key(ended), [livefeed.Chunk("t1", "line", [str(n)])])
    parts = 1
    while actions.prune_output(ended, SOON):
        parts += 1
    assert parts == 3
    assert kept(ended) == 0
