"""A worker goes, another one goes on: not a line is lost or comes twice, and no step runs twice."""

from __future__ import annotations

import hashlib
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, transaction

import livefeed
from rollcast.engine import events
from rollcast.rollouts import actions, leases, queries
from rollcast.rollouts.models import Worker
from tests.remote.processes import is_alive
from tests.waiting import eventually
from tests.worker.conftest import Bench, joined_lines, journal_of

either_way = pytest.mark.usefixtures("hints")

COUNTS_SLOWLY = (
    "- name: count\n  run: |\n"
    "    echo begun >> $HOME/begun\n"
    "    i=0\n"
    '    while [ $i -lt 60 ]; do echo "第 $i 行"; i=$((i+1)); sleep 0.02; done\n'
    "    until [ -e $HOME/gate ]; do sleep 0.05; echo waits; done\n"
)


def some_lines(bench: Bench, rollout: int) -> bool:
    """Whether some of every target's output is stored."""
    targets = bench.page(rollout)["targets"]
    return all(queries.mark(rollout, target["id"], 0, 1) > 100 for target in targets)


def account_closes(bench: Bench, rollout: int) -> None:
    """Everything that stands on the hosts is stored once, in order, and said so by count and digest."""
    for run in queries.journal_account(rollout):
        journal = journal_of(bench, rollout, run["target"], run["step"], run["attempt"])
        assert run["journal_bytes"] == run["stored_bytes"] == len(journal)
        assert run["journal_sha256"] == hashlib.sha256(journal).hexdigest()
        stored = joined_lines(rollout, run["target"], run["step"], run["attempt"])
        assert stored == journal.decode("utf-8", "backslashreplace")


def taken_over(rollout: int) -> list[str]:
    """The lanes whose takeover the feed tells, in order."""
    groups = livefeed.read(f"rollout/{rollout}", 0, 5000).groups
    return sorted(group[0] for group in groups if group[1] == events.TARGET_TAKEN_OVER)


@either_way
def test_a_killed_workers_steps_go_on_and_another_worker_reads_on(bench: Bench) -> None:
    bench.hosts("a", "b")
    bench.recipe(COUNTS_SLOWLY)
    first = bench.worker_process()
    rollout = bench.start()
    eventually(lambda: some_lines(bench, rollout), 20)
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=10)
    bench.worker()
    bench.open("gate")
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert [len(target["steps"]) for target in page["targets"]] == [1, 1]
    assert (bench.home / "begun").read_text() == "begun\n" * 2
    account_closes(bench, rollout)
    assert taken_over(rollout) == [target["lane"] for target in page["targets"]]


def test_on_the_same_machine_nobody_waits_for_the_lease_of_a_killed_worker(
    bench: Bench, settings: Any
) -> None:
    settings.ROLLCAST = {**settings.ROLLCAST, "LEASE_TRUST_S": 600.0}
    bench.hosts("a")
    bench.recipe(COUNTS_SLOWLY)
    first = bench.worker_process()
    rollout = bench.start()
    eventually(lambda: some_lines(bench, rollout), 20)
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=10)
    bench.worker()
    bench.open("gate")
    assert bench.until_ended(rollout)["rollout"]["state"] == "succeeded"
    assert (bench.home / "begun").read_text() == "begun\n"
    account_closes(bench, rollout)


@either_way
def test_a_frozen_workers_leases_lapse_and_when_it_wakes_it_changes_nothing(
    bench: Bench, settings: Any
) -> None:
    settings.ROLLCAST = {**settings.ROLLCAST, "LEASE_TRUST_S": 3.0}
    bench.hosts("a")
    then = f"echo then >> $HOME/then; {bench.wait_for('last')}"
    bench.recipe(f"{COUNTS_SLOWLY}- name: then\n  run: {then}\n")
    first = bench.worker_process()
    rollout = bench.start()
    eventually(lambda: some_lines(bench, rollout), 20)
    freeze_outside_transactions(first)
    bench.open("gate")
    bench.worker()
    bench.until_step(rollout, 1, "running")
    last_beat = beat_of_process()
    first.send_signal(signal.SIGCONT)
    eventually(lambda: beat_of_process() > last_beat, 20)
    bench.open("last")
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert [run["attempt"] for run in page["targets"][0]["steps"]] == [1, 1]
    assert (bench.home / "begun").read_text() == "begun\n"
    assert (bench.home / "then").read_text() == "then\n"
    account_closes(bench, rollout)


@either_way
def test_a_worker_that_is_told_to_end_hands_its_leases_over(bench: Bench, settings: Any) -> None:
    settings.ROLLCAST = {**settings.ROLLCAST, "LEASE_TRUST_S": 600.0}
    bench.hosts("a")
    bench.recipe(COUNTS_SLOWLY)
    first = bench.worker_process()
    rollout = bench.start()
    eventually(lambda: some_lines(bench, rollout), 20)
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=20) == 0
    bench.worker()
    bench.open("gate")
    assert bench.until_ended(rollout)["rollout"]["state"] == "succeeded"
    assert (bench.home / "begun").read_text() == "begun\n"
    account_closes(bench, rollout)


@either_way
def test_a_wait_goes_on_counting_through_a_takeover(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe("- name: soak\n  wait: 2s\n")
    first = bench.worker()
    rollout = bench.start()
    bench.until_step(rollout, 0, "running")
    assert first.stop(timeout_s=20)
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert [run["attempt"] for run in page["targets"][0]["steps"]] == [1]
    assert page["rollout"]["ended_at_ms"] - page["rollout"]["started_at_ms"] < 15_000


def test_an_attempt_whose_start_was_never_sent_is_sealed_and_tried_again(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe("- name: say\n  rerun: never\n  run: echo said\n")
    rollout = bench.start()
    target = bench.write_starting_row(rollout)
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert [(run["attempt"], run["state"], run["reason"]) for run in page["targets"][0]["steps"]] == [
        (1, "interrupted", "nothing_ran"),
        (2, "succeeded", ""),
    ]
    assert joined_lines(rollout, target, 0, 2) == "said\n"


def test_a_start_that_may_still_come_is_not_taken_for_one_that_never_ran(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe("- name: say\n  run: echo said\n")
    rollout = bench.start()
    bench.write_starting_row(rollout)
    in_the_way = bench.home / ".rollcast" / livefeed.instance_epoch()
    in_the_way.parent.mkdir()
    in_the_way.touch()  # no folder can be made, as on a full disk: so none can be sealed
    bench.worker()
    bench.until(rollout, lambda page: page["targets"][0]["state"] == "lost")
    assert [run["state"] for run in bench.page(rollout)["targets"][0]["steps"]] == ["starting"]
    in_the_way.unlink()
    page = bench.until_ended(rollout)
    assert [run["reason"] for run in page["targets"][0]["steps"]] == ["nothing_ran", ""]


@either_way
def test_two_workers_share_the_work_and_no_step_runs_twice(bench: Bench) -> None:
    bench.hosts("a", "b", "c", "d")
    bench.recipe("- name: say\n  run: echo one >> $HOME/ran\n- name: again\n  run: echo two >> $HOME/ran\n")
    bench.worker()
    bench.worker()
    rollout = bench.start(waves="2, rest")
    assert bench.until_ended(rollout)["rollout"]["state"] == "succeeded"
    assert sorted((bench.home / "ran").read_text().split()) == ["one"] * 4 + ["two"] * 4
    account_closes(bench, rollout)


@either_way
def test_a_cancel_ends_the_process_group_and_keeps_the_evidence(bench: Bench) -> None:
    bench.hosts("a", "b")
    bench.recipe(
        "- name: hangs\n  run: |\n    trap '' TERM\n    sleep 300 &\n    echo here\n"
        "    while :; do sleep 1; done\n"
    )
    rollout = bench.start(parallel=1)
    bench.worker()
    eventually(lambda: len(bench.pids(rollout)) == 2, 20)
    eventually(lambda: queries.mark(rollout, bench.page(rollout)["targets"][0]["id"], 0, 1) > 0, 20)
    pids = bench.pids(rollout)
    actions.cancel_rollout(rollout, "user:olga")
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "cancelled"
    assert bench.states(rollout) == {"a": "cancelled", "b": "cancelled"}
    step = page["targets"][0]["steps"][0]
    assert (step["state"], step["stop_evidence"]) == ("cancelled", "stopped")
    assert page["targets"][1]["steps"] == []
    assert not any(is_alive(pid) for pid in pids)
    assert joined_lines(rollout, page["targets"][0]["id"], 0, 1) == "here\n"


@either_way
def test_a_cancel_is_carried_out_by_whoever_takes_over(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe("- name: hangs\n  run: sleep 300\n")
    first = bench.worker_process()
    rollout = bench.start()
    bench.until_step(rollout, 0, "running")
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=10)
    pids = bench.pids(rollout)
    assert pids
    actions.cancel_rollout(rollout, "user:olga")
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["targets"][0]["steps"][0]["stop_evidence"] == "stopped"
    assert not any(is_alive(pid) for pid in pids)


@either_way
def test_a_cancel_before_anything_ran_needs_no_host(bench: Bench) -> None:
    bench.hosts_elsewhere("far", port=1)
    bench.recipe("- name: say\n  run: echo said\n")
    rollout = bench.start()
    actions.cancel_rollout(rollout, "user:olga")
    bench.worker()
    page = bench.until_ended(rollout)
    assert (page["rollout"]["state"], page["targets"][0]["state"]) == ("cancelled", "cancelled")


def test_the_same_idempotency_key_starts_one_rollout(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe("- name: say\n  run: echo said >> $HOME/ran\n")
    first = bench.start(idempotency_key="k")
    assert bench.start(idempotency_key="k") == first
    bench.worker()
    bench.until_ended(first)
    assert (bench.home / "ran").read_text() == "said\n"


def test_a_worker_that_was_forgotten_begins_anew(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe("- name: say\n  run: echo said\n")
    bench.worker()
    eventually(leases_of)
    for worker in leases_of():
        leases.release(worker)
    rollout = bench.start()
    assert bench.until_ended(rollout)["rollout"]["state"] == "succeeded"


def test_a_worker_that_finds_the_database_locked_tries_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.hosts("a")
    bench.recipe("- name: say\n  run: echo said\n")
    register = leases.register
    refused: list[Any] = []

    def refuses_once(*args: Any) -> int:
        if not refused:
            refused.append(args)
            raise OperationalError("database is locked")
        return register(*args)

    monkeypatch.setattr(leases, "register", refuses_once)
    bench.worker()
    rollout = bench.start()
    assert bench.until_ended(rollout)["rollout"]["state"] == "succeeded"
    assert refused


def freeze_outside_transactions(process: subprocess.Popen[bytes]) -> None:
    """Stop the process while we hold the database's write lock, so that it does not freeze with it."""
    with transaction.atomic():
        process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{process.pid}/stat")
        eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")


def beat_of_process() -> float:
    """When the worker that is a process of its own said last that it lives."""
    return Worker.objects.get(name__startswith="process").beat_at


def leases_of() -> list[int]:
    """The ids of all workers that have a heartbeat row."""
    return list(Worker.objects.values_list("pk", flat=True))
