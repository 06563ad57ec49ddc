"""A decision and what it does are one transaction: nobody's verb comes between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from rollcast.engine.decide import decide
from rollcast.rollouts import actions, leases
from tests.refusals import refused_in_turn
from tests.rollouts.conftest import Desk

WHERE_IT_IS_DECIDED = "rollcast.rollouts.actions.conducting.decide"
# Seconds that the other one gets to slip between: a hundred times what its transaction takes.
CHANCE_S = 0.5


Between = Callable[[int, Callable[[], None]], None]


@pytest.fixture
def between(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Between:
    """Conduct a rollout; while the decision is made, with the rows read, another thread does something."""

    def conduct_and(rollout_id: int, act: Callable[[], None]) -> None:
        done = threading.Event()

        def other() -> None:
            act()
            connections.close_all()
            done.set()

        thread = threading.Thread(target=other)

        def slow_decide(*args: Any) -> Any:
            if thread.ident is None:
                thread.start()
                done.wait(CHANCE_S)
            return decide(*args)

        monkeypatch.setattr(WHERE_IT_IS_DECIDED, slow_decide)
        desk.conduct(rollout_id)
        assert done.wait(20)
        thread.join(20)

    return conduct_and


def set_going_after(feed: list[tuple[str, Any]], verb: str) -> list[Any]:
    """The targets that were set going although a person had asked for `verb` before."""
    kinds = [kind for kind, _ in feed]
    assert verb in kinds
    after = feed[kinds.index(verb) :]
    return [data for kind, data in after if kind == "target.state" and data["state"] == "running"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("act", "verb"),
    [(actions.pause_rollout, "rollout.paused"), (actions.cancel_rollout, "rollout.cancelled")],
)
def test_no_target_is_set_going_after_a_person_asked_to_stop(
    desk: Desk, feed_of: Any, between: Any, act: Callable[[int, str], None], verb: str
) -> None:
    desk.hosts("eu-01", "eu-02")
    rollout = desk.start()
    between(rollout, lambda: act(rollout, "user:olga"))
    assert set_going_after(feed_of(rollout), verb) == []


@pytest.mark.django_db(transaction=True)
def test_a_rollout_is_not_paused_with_a_step_under_way(desk: Desk, feed_of: Any, between: Any) -> None:
    desk.hosts("eu-01")
    rollout = desk.start()
    desk.conduct(rollout)
    target = desk.targets(rollout)["eu-01"]
    actions.pause_rollout(rollout, "user:olga")
    fence = desk.fence(target)

    def resumes_and_begins() -> None:
        actions.resume_rollout(rollout, "user:olga")
        assert actions.begin_step(target, fence, 0, 1)

    between(rollout, resumes_and_begins)
    feed = feed_of(rollout)
    begun = [kind for kind, _ in feed].index("step.state")
    paused = [data["state"] for kind, data in feed[begun:] if kind == "rollout.state"]
    assert "paused" not in paused


@pytest.mark.django_db(transaction=True)
def test_an_action_of_which_any_part_is_refused_leaves_no_trace(desk: Desk, feed_of: Any) -> None:
    desk.hosts("eu-01")
    rollout = desk.start()
    target = desk.targets(rollout)["eu-01"]
    (held,) = leases.claim_rollouts(desk.worker, desk.now, 1)

    def conduct() -> None:
        assert actions.conduct(rollout, held.fence, desk.now)

    def begin() -> None:
        assert desk.begin(target, 0)

    def look() -> tuple[dict[str, Any], list[tuple[str, Any]]]:
        return desk.page(rollout), feed_of(rollout)

    refused = refused_in_turn(conduct, look)
    leases.claim_targets(desk.worker, desk.now, 1)
    refused += refused_in_turn(begin, look)
    refused += refused_in_turn(lambda: actions.cancel_rollout(rollout, "user:olga"), look)
    for table in ("rollouts_rollout", "rollouts_target", "rollouts_steprun", "livefeed_frame"):
        assert [sql for sql in refused if table in sql]
