"""A worker prunes what is old enough by itself, and leaves alone what runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

import livefeed
from livefeed.retention import holding
from rollcast.rollouts import actions
from rollcast.rollouts.keys import feed_key
from rollcast.rollouts.models import Rollout
from tests.waiting import eventually
from tests.worker.conftest import Bench


@pytest.fixture
def eager(bench: Bench, settings: Any) -> Bench:
    settings.ROLLCAST = {**settings.ROLLCAST, "KEEP_OUTPUT_DAYS": 7, "PRUNE_EVERY_S": 0.05}
    return bench


def age(rollout_id: int, days: int) -> None:
    """As if it had been started, and ended if it has, so long ago."""
    row = Rollout.objects.get(pk=rollout_id)
    then = timezone.now() - timedelta(days=days)
    Rollout.objects.filter(pk=rollout_id).update(started_at=then, ended_at=row.ended_at and then)


def first(rollout_id: int) -> int:
    return livefeed.head(feed_key(rollout_id)).first


def test_output_of_long_ago_goes_while_others_run(eager: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals, real = [DatabaseError("locked")], actions.with_old_output

    def refuses_once(*args: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return real(*args)

    monkeypatch.setattr(actions, "with_old_output", refuses_once)
    eager.hosts("a")
    eager.recipe("- name: say\n  run: echo said\n")
    old, young = eager.start(), eager.start()
    eager.recipe(f"- name: wait\n  run: echo begun; {eager.wait_for('gate')}\n", "waiting")
    running = eager.start(recipe="waiting")
    eager.worker()
    for rollout in (old, young):
        assert eager.until_ended(rollout)["rollout"]["state"] == "succeeded"
    eager.until_step(running, 0, "running")
    page = eager.page(old)
    for rollout, days in ((old, 8), (young, 6), (running, 30)):
        age(rollout, days)
    eventually(lambda: not holding([feed_key(old)]), 60)
    assert first(old) == livefeed.head(feed_key(old)).head + 1
    assert (first(young), first(running), refusals) == (1, 1, [])
    assert eager.page(old)["targets"] == page["targets"]
    eager.open("gate")
    assert eager.until_ended(running)["rollout"]["state"] == "succeeded"


def test_without_a_limit_everything_is_kept(
    bench: Bench, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ROLLCAST = {**settings.ROLLCAST, "PRUNE_EVERY_S": 0.01}

    def never(*_: Any) -> Any:
        raise AssertionError("nobody asked for it")

    monkeypatch.setattr(actions, "with_old_output", never)
    bench.hosts("a")
    bench.recipe("- name: say\n  run: echo said\n")
    rollout = bench.start()
    worker = bench.worker()
    bench.until_ended(rollout)
    age(rollout, 1000)
    assert worker.stop()
    assert (worker.error, first(rollout)) == (None, 1)
