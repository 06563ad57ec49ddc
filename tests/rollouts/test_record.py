"""record: a tick's output and changes of state in one transaction."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from rollcast.engine.states import STEP_BUSY, StepState, TargetState
from rollcast.rollouts import actions, keys, queries
from rollcast.rollouts.actions import OutputEntry, Piece, ProgressEntry, StepChange, TargetChange
from tests.refusals import refused_in_turn
from tests.rollouts.conftest import Desk


def output(target: int, before: int, *lines: str, start: int | None = None, sha256: str = "") -> OutputEntry:
    """Lines of a step run's journal from an offset."""
    pieces, end = [], before
    for line in lines:
        end += len(line.encode()) + 1
        pieces.append(Piece("line", line, end))
    return OutputEntry(target, 0, 1, before, pieces, before if start is None else start, sha256)


@pytest.fixture
def target(desk: Desk) -> int:
    """A target whose first step runs."""
    desk.hosts("eu-01")
    rollout = desk.start()
    desk.conduct(rollout)
    made = desk.targets(rollout)["eu-01"]
    assert desk.begin(made, 0)
    return made


def account(target: int) -> dict[str, Any]:
    """The journal account of the only step run."""
    (rollout,) = queries.rollout_list()["rollouts"]
    (run,) = queries.journal_account(rollout["id"])
    return run


def lines_of(feed: list[tuple[str, Any]]) -> list[str]:
    """The lines among the events."""
    return [data for kind, data in feed if kind == "line"]


def test_output_and_the_change_after_it_stand_in_this_order(desk: Desk, target: int, feed_of: Any) -> None:
    rollout = queries.rollout_list()["rollouts"][0]["id"]
    done = StepChange(target, desk.fence(target), 0, 1, STEP_BUSY, StepState.SUCCEEDED, {"exit_code": 0})
    assert actions.record([output(target, 0, "one", "two"), done]) == [True, True]
    kinds = [kind for kind, _ in feed_of(rollout)]
    assert kinds[-3:] == ["line", "line", "step.state"]
    assert account(target)["stored_bytes"] == 8


@pytest.mark.django_db(transaction=True)
def test_a_tick_of_which_any_part_is_refused_leaves_no_trace(desk: Desk, target: int, feed_of: Any) -> None:
    rollout = queries.rollout_list()["rollouts"][0]["id"]
    done = StepChange(target, desk.fence(target), 0, 1, STEP_BUSY, StepState.SUCCEEDED, {"exit_code": 0})
    refused = refused_in_turn(
        lambda: actions.record([output(target, 0, "one", "two"), done]),
        lambda: (feed_of(rollout), account(target)),
    )
    for table in ("livefeed_frame", "livefeed_origin", "steprun"):
        assert [sql for sql in refused if table in sql]
    assert lines_of(feed_of(rollout)) == ["one", "two"]
    assert (account(target)["state"], account(target)["stored_bytes"]) == ("succeeded", 8)


def test_output_that_comes_twice_is_stored_once(desk: Desk, target: int, feed_of: Any) -> None:
    rollout = queries.rollout_list()["rollouts"][0]["id"]
    entry = output(target, 0, "one", "two")
    assert actions.record([entry]) == [True]
    assert actions.record([entry, output(target, 8, "three")]) == [True, True]
    assert lines_of(feed_of(rollout)) == ["one", "two", "three"]


def test_output_that_leaves_a_hole_is_refused(desk: Desk, target: int, feed_of: Any) -> None:
    rollout = queries.rollout_list()["rollouts"][0]["id"]
    assert actions.record([output(target, 100, "later")]) == [False]
    assert lines_of(feed_of(rollout)) == []
    assert account(target)["stretches"] == []


def test_output_of_a_worker_that_lost_its_lease_is_still_taken(desk: Desk, target: int, feed_of: Any) -> None:
    rollout = queries.rollout_list()["rollouts"][0]["id"]
    zombie = StepChange(target, 0, 0, 1, STEP_BUSY, StepState.SUCCEEDED)
    assert actions.record([output(target, 0, "said"), zombie]) == [True, False]
    assert lines_of(feed_of(rollout)) == ["said"]
    assert account(target)["state"] == "starting"


def test_each_readers_stretch_is_kept_with_its_digest(desk: Desk, target: int) -> None:
    digests = [hashlib.sha256(text).hexdigest() for text in (b"one\n", b"one\ntwo\n", b"three\n")]
    actions.record([output(target, 0, "one", start=0, sha256=digests[0])])
    actions.record([output(target, 4, "two", start=0, sha256=digests[1])])
    actions.record([output(target, 8, "three", start=8, sha256=digests[2])])
    assert account(target)["stretches"] == [[0, 8, digests[1]], [8, 14, digests[2]]]


def test_an_attempt_begins_once(desk: Desk, target: int, feed_of: Any) -> None:
    rollout = queries.rollout_list()["rollouts"][0]["id"]
    before = feed_of(rollout)
    assert not desk.begin(target, 0)
    assert feed_of(rollout) == before


def test_a_step_ends_once(desk: Desk, target: int) -> None:
    assert desk.end_step(target, 0, StepState.FAILED, exit_code=1, reason="exit 1")
    assert not desk.end_step(target, 0, StepState.SUCCEEDED, exit_code=0)


def test_a_move_that_no_table_has_is_a_mistake_and_changes_nothing(desk: Desk, target: int) -> None:
    desk.end_step(target, 0, StepState.FAILED)
    ended = frozenset({StepState.FAILED})
    with pytest.raises(ValueError, match="failed to running"):
        actions.record([StepChange(target, desk.fence(target), 0, 1, ended, StepState.RUNNING)])
    assert account(target)["state"] == "failed"


def test_a_change_of_state_is_dated_and_a_change_of_its_reason_is_not(
    desk: Desk, target: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = queries.rollout_list()["rollouts"][0]["id"]
    before = desk.page(rollout)["targets"][0]["since_ms"]
    later = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert desk.wait_for_person(target)
    assert desk.page(rollout)["targets"][0]["since_ms"] == before
    assert desk.end_step(target, 0, StepState.FAILED)
    assert desk.end_target(target, TargetState.FAILED)
    assert desk.page(rollout)["targets"][0]["since_ms"] == keys.ms(later)


def test_a_lost_host_says_why_it_cannot_be_reached_now(desk: Desk, target: int) -> None:
    rollout = queries.rollout_list()["rollouts"][0]["id"]
    active = frozenset({TargetState.RUNNING, TargetState.LOST})

    def lost(said: str) -> str:
        change = TargetChange(
            target, desk.fence(target), active, TargetState.LOST, reason="contact_lost", detail=said
        )
        assert actions.record([change]) == [True]
        return str(desk.page(rollout)["targets"][0]["detail"])

    assert lost("the connection broke") == "the connection broke"
    since = desk.page(rollout)["targets"][0]["since_ms"]
    assert lost("no route to host") == "no route to host"
    assert desk.page(rollout)["targets"][0]["since_ms"] == since
    version = desk.page(rollout)["targets"][0]["version"]
    assert lost("no route\n to host") == "no route to host"
    assert desk.page(rollout)["targets"][0]["version"] == version


def test_what_a_host_said_of_a_failure_is_kept_up_to_a_bound(desk: Desk, target: int) -> None:
    rollout = queries.rollout_list()["rollouts"][0]["id"]
    assert desk.end_step(target, 0, StepState.FAILED, reason="runner", detail="no\nroom " + "x" * 5000)
    kept = desk.page(rollout)["targets"][0]["steps"][0]["detail"]
    assert kept.startswith("no room x")
    assert kept.endswith("…")
    assert len(kept) == 300


def test_pieces_of_a_line_keep_their_kind(desk: Desk, target: int, feed_of: Any) -> None:
    rollout = queries.rollout_list()["rollouts"][0]["id"]
    pieces = [Piece("cont", "pass", 4), Piece("line", "word: ", 11), Piece("line", "in", 14)]
    actions.record([OutputEntry(target, 0, 1, 0, pieces, 0, "")])
    said = [(kind, data) for kind, data in feed_of(rollout) if kind in ("line", "cont")]
    assert said == [("cont", "pass"), ("line", "word: "), ("line", "in")]


def test_upload_progress_is_told(desk: Desk, target: int, feed_of: Any) -> None:
    rollout = queries.rollout_list()["rollouts"][0]["id"]
    assert actions.record([ProgressEntry(target, 0, 5, 10)]) == [True]
    assert feed_of(rollout)[-1] == ("upload.progress", {"step": 0, "bytes": 5, "total": 10})


def test_many_targets_are_stored_by_a_fixed_number_of_statements(
    desk: Desk, django_assert_max_num_queries: Any
) -> None:
    desk.hosts(*(f"eu-{n:02}" for n in range(40)))
    rollout = desk.start(parallel=40)
    desk.conduct(rollout)
    targets = list(desk.targets(rollout).values())
    for one in targets:
        assert desk.begin(one, 0)
    with django_assert_max_num_queries(25):
        actions.record([output(one, 0, f"line of {one}") for one in targets])
