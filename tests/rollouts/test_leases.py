"""Two workers and a clock that tests move: at most one worker's changes count."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from rollcast.engine.states import TARGET_ACTIVE, StepState, TargetState
from rollcast.rollouts import actions, leases, processes, queries
from rollcast.rollouts.actions import Entry, StepChange, TargetChange
from rollcast.rollouts.leases import Trust
from rollcast.worker.conduct import conduct
from tests.rollouts.applying import events_after
from tests.rollouts.conftest import Desk

TRUST_S = 10.0  # as the desk sets it


@pytest.fixture
def running(desk: Desk) -> tuple[int, int]:
    """A rollout whose only target runs, held by the desk's worker: their ids."""
    desk.hosts("eu-01")
    rollout = desk.start()
    desk.conduct(rollout)
    return rollout, desk.targets(rollout)["eu-01"]


def test_what_somebody_holds_is_not_claimed_while_that_worker_is_trusted(
    desk: Desk, running: tuple[int, int]
) -> None:
    other = leases.register("other", desk.now, {})
    assert leases.claim_targets(other, desk.now + TRUST_S, 100) == []
    assert leases.claim_rollouts(other, desk.now + TRUST_S, 100) == []


def test_a_silent_workers_rows_are_claimed_with_a_new_fence(desk: Desk, running: tuple[int, int]) -> None:
    rollout, target = running
    old = desk.fence(target)
    later = desk.now + TRUST_S + 0.1
    other = leases.register("other", later, {})
    (held,) = leases.claim_targets(other, later, 100)
    assert (held.id, held.fence) == (target, old + 1)
    assert held.before == leases.Silent("desk", desk.now)
    assert [held.id for held in leases.claim_rollouts(other, later, 100)] == [rollout]
    assert queries.targets_of_worker(desk.worker, TARGET_ACTIVE) == []
    assert [held.id for held in queries.targets_of_worker(other, TARGET_ACTIVE)] == [target]


def test_a_takeover_is_told_in_the_feed_by_whoever_still_holds_the_target(
    desk: Desk, running: tuple[int, int]
) -> None:
    rollout, target = running
    later = desk.now + 60
    other, third = leases.register("other", later, {}), leases.register("third", later, {})
    claimed = leases.claim_targets(other, later, 100)
    actions.tell_takeovers(third, claimed)
    actions.tell_takeovers(other, claimed)
    told = [data for kind, _, data in events_after(f"rollout/{rollout}", 0) if kind == "target.taken_over"]
    silent_since_ms = int(desk.now * 1000)
    assert told == [{"target": target, "by": "other", "before": "desk", "silent_since_ms": silent_since_ms}]


def test_who_holds_what_is_seen_by_process_until_it_has_ended(desk: Desk, running: tuple[int, int]) -> None:
    rollout, target = running
    fence = desk.fence(target)
    other = leases.register("other", desk.now, {"pid": 4711})
    leases.release(desk.worker)
    assert [(hold.row, hold.pid) for hold in leases.holds(rollout)] == [
        ("rollout", None),
        (f"t{target}", None),
    ]
    leases.claim_targets(other, desk.now, 100)
    assert leases.holds(rollout)[1] == leases.Hold(f"t{target}", fence + 1, 4711)
    change = TargetChange(target, fence + 1, frozenset({TargetState.RUNNING}), TargetState.FAILED, "x")
    assert actions.record([change]) == [True]
    assert [hold.row for hold in leases.holds(rollout)] == ["rollout"]


def test_a_worker_that_beats_again_in_time_keeps_what_it_has(desk: Desk, running: tuple[int, int]) -> None:
    leases.beat(desk.worker, desk.now + 9)
    other = leases.register("other", desk.now + 15, {})
    assert leases.claim_targets(other, desk.now + 15, 100) == []


def test_what_is_given_back_is_claimed_at_once(desk: Desk, running: tuple[int, int]) -> None:
    other = leases.register("other", desk.now, {})
    leases.release(desk.worker)
    claimed = leases.claim_targets(other, desk.now, 100)
    assert [(held.id, held.before) for held in claimed] == [(running[1], None)]
    assert not leases.beat(desk.worker, desk.now)


@pytest.fixture
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    """A process of this machine; the test may kill it."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def killed(process: subprocess.Popen[bytes]) -> None:
    """Kill the process, and let its parent know."""
    process.kill()
    process.wait(10)


def held_by(desk: Desk, info: dict[str, object]) -> int:
    """A rollout of one host whose trusted worker is the process that `info` describes: its target's id."""
    desk.hosts("eu-01")
    desk.worker = leases.register("somebody", desk.now, info)
    rollout = desk.start()
    desk.conduct(rollout)
    return desk.targets(rollout)["eu-01"]


def claimed(desk: Desk) -> list[int]:
    """What another worker gets while all heartbeats are fresh: ids of targets."""
    other = leases.register("other", desk.now, processes.identity())
    taken = leases.claim_targets(other, desk.now, 100)
    assert len(leases.claim_rollouts(other, desk.now, 100)) == len(taken)
    return [held.id for held in taken]


def test_what_a_killed_process_of_this_machine_held_is_claimed_at_once(
    desk: Desk, other_process: subprocess.Popen[bytes]
) -> None:
    target = held_by(desk, processes.identity(other_process.pid))
    killed(other_process)
    assert claimed(desk) == [target]


def test_a_pid_that_was_given_anew_is_another_process(desk: Desk) -> None:
    mine = processes.identity()
    target = held_by(desk, mine | {"born": int(str(mine["born"])) - 1})
    assert claimed(desk) == [target]


@pytest.mark.parametrize("stops", [False, True])
def test_a_process_that_lives_keeps_what_it_holds(
    desk: Desk, other_process: subprocess.Popen[bytes], stops: bool
) -> None:
    held_by(desk, processes.identity(other_process.pid))
    if stops:
        other_process.send_signal(signal.SIGSTOP)
    assert claimed(desk) == []


@pytest.mark.parametrize("what", ["host", "boot_id", "pid_namespace", "born", "pid"])
@pytest.mark.parametrize("value", ["another", None])
def test_of_a_process_elsewhere_nothing_is_known(
    desk: Desk, other_process: subprocess.Popen[bytes], what: str, value: object
) -> None:
    held_by(desk, processes.identity(other_process.pid) | {what: value})
    killed(other_process)
    assert claimed(desk) == []


def test_a_worker_that_lost_its_lease_changes_nothing(desk: Desk, running: tuple[int, int]) -> None:
    rollout, target = running
    assert desk.begin(target, 0)
    fence = desk.fence(target)
    (held_rollout,) = leases.held_rollouts(desk.worker)
    later = desk.now + TRUST_S + 0.1
    other = leases.register("other", later, {})
    leases.claim_targets(other, later, 100)
    leases.claim_rollouts(other, later, 100)
    before = desk.page(rollout)
    assert not actions.begin_step(target, fence, 1, 1)
    busy = frozenset({StepState.STARTING})
    zombie: list[Entry] = [
        StepChange(target, fence, 0, 1, busy, StepState.SUCCEEDED),
        TargetChange(target, fence, frozenset({TargetState.RUNNING}), TargetState.FAILED),
    ]
    assert actions.record(zombie) == [False, False]
    actions.cancel_rollout(rollout, "user:olga")
    assert not conduct(held_rollout, later)
    after = desk.page(rollout)
    assert after["targets"] == before["targets"]
    assert after["rollout"]["state"] == "running"


def test_a_claim_takes_no_more_than_it_may(desk: Desk) -> None:
    desk.hosts("eu-01", "eu-02", "eu-03")
    rollout = desk.start(parallel=3)
    desk.conduct(rollout)
    leases.release(desk.worker)
    first, second = (leases.register(name, desk.now, {}) for name in ("first", "second"))
    taken = leases.claim_targets(first, desk.now, 2)
    rest = leases.claim_targets(second, desk.now, 2)
    assert (len(taken), len(rest)) == (2, 1)
    assert not {held.id for held in taken} & {held.id for held in rest}


def test_what_has_ended_is_claimed_by_nobody(desk: Desk, running: tuple[int, int]) -> None:
    rollout, target = running
    desk.succeed(target)
    desk.conduct(rollout)
    later = desk.now + 1000
    other = leases.register("other", later, {})
    assert leases.claim_targets(other, later, 100) == []
    assert leases.claim_rollouts(other, later, 100) == []


def test_workers_that_are_long_gone_are_forgotten_once_they_hold_nothing(
    desk: Desk, running: tuple[int, int]
) -> None:
    leases.register("gone", desk.now, {})
    assert leases.forget_gone(desk.now + 4000) == 1  # the desk's worker still holds its rollout


def test_trust_ends_before_anybody_may_claim(settings: Any) -> None:
    settings.ROLLCAST = {**settings.ROLLCAST, "LEASE_TRUST_S": 10.0, "LEASE_BEAT_S": 1.0}
    clock = [100.0]
    trust = Trust(lambda: clock[0])
    assert not trust.holds()
    counted_from = trust.before_beat()
    clock[0] = 103.0  # the database took its time
    trust.renewed(counted_from)
    assert trust.holds()
    clock[0] = 108.9
    assert trust.holds()
    clock[0] = 109.0
    assert not trust.holds()
