"""Whole rollouts over real hosts (this machine) with the real runner."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

import livefeed
from rollcast.remote.connection import RunnerConnection
from rollcast.rollouts import actions, queries
from tests.worker.conftest import Bench, joined_lines, journal_of

either_way = pytest.mark.usefixtures("hints")


@either_way
def test_every_line_of_three_hosts_is_stored_once_and_in_order(bench: Bench) -> None:
    bench.hosts("bj-01", "eu-01", "us-01")
    bench.recipe(
        '- name: count\n  run: |\n    i=0\n    while [ $i -lt 200 ]; do echo "第 $i 行"; i=$((i+1)); done\n'
        "- name: odd\n  run: printf 'no newline \\377 at the end'\n"
    )
    rollout = bench.start()
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert page["feed"]["closed"]
    for target in page["targets"]:
        for step in (0, 1):
            journal = journal_of(bench, rollout, target["id"], step, 1)
            assert joined_lines(rollout, target["id"], step, 1) == journal.decode("utf-8", "backslashreplace")
    for run in queries.journal_account(rollout):
        journal = journal_of(bench, rollout, run["target"], run["step"], run["attempt"])
        assert run["journal_bytes"] == run["stored_bytes"] == len(journal)
        assert run["journal_sha256"] == hashlib.sha256(journal).hexdigest()


@either_way
def test_waves_come_one_after_the_other_and_parallel_is_kept(bench: Bench) -> None:
    bench.hosts("a", "b", "c")
    bench.recipe("- name: work\n  run: echo work\n")
    rollout = bench.start(waves="1, rest", parallel=1)
    bench.worker()
    bench.until_ended(rollout)
    seen = []
    for _lane, kind, _origin, _at, _first, items in livefeed.read(f"rollout/{rollout}").groups:
        if kind == "target.state":
            seen += [(item["target"], item["state"]) for item in items if item["state"] != "pending"]
    names = {target["id"]: target["name"] for target in bench.page(rollout)["targets"]}
    ends = [(names[target], state) for target, state in seen if state == "succeeded"]
    assert [name for name, _ in ends] == ["a", "b", "c"]
    active = 0
    for _target, state in dict.fromkeys(seen):
        active += 1 if state == "running" else -1
        assert active <= 1


def test_parameters_reach_steps_as_environment_and_never_as_script_text(bench: Bench) -> None:
    bench.hosts("a")
    text = (
        "name: update\ntitle: Update\nparameters:\n  version:\n    type: string\n"
        'steps:\n- name: say\n  run: echo "v=$VERSION"\n'
    )
    (bench.recipes / "update.yml").write_text(text)
    rollout = bench.start(params={"version": "1'; echo broken; '$(id)"})
    bench.worker()
    page = bench.until_ended(rollout)
    assert joined_lines(rollout, page["targets"][0]["id"], 0, 1) == "v=1'; echo broken; '$(id)\n"


@either_way
def test_failures_within_the_budget_leave_the_rollout_succeeded(bench: Bench) -> None:
    bench.hosts("a", "b", "c")
    bench.recipe("- name: fails\n  run: |\n    mkdir $HOME/first 2>/dev/null && exit 3\n    exit 0\n")
    rollout = bench.start(failure_budget="1", parallel=1)
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert bench.states(rollout) == {"a": "failed", "b": "succeeded", "c": "succeeded"}
    failed = page["targets"][0]
    assert failed["reason"] == "exit 3"
    assert failed["steps"][0]["exit_code"] == 3


@either_way
def test_an_exceeded_budget_skips_what_has_not_begun(bench: Bench) -> None:
    bench.hosts("a", "b", "c")
    bench.recipe("- name: fails\n  run: exit 7\n")
    rollout = bench.start(failure_budget="0", parallel=1)
    bench.worker()
    page = bench.until_ended(rollout)
    assert (page["rollout"]["state"], page["rollout"]["reason"]) == ("failed", "budget_exceeded")
    assert bench.states(rollout) == {"a": "failed", "b": "skipped", "c": "skipped"}


@either_way
def test_a_retry_goes_on_from_the_failed_step_in_the_same_rollout(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe(
        "- name: once\n  run: echo once >> $HOME/once\n"
        "- name: fails first\n  run: mkdir $HOME/tried 2>/dev/null && exit 1; exit 0\n"
    )
    rollout = bench.start()
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "failed"
    actions.retry_rollout(rollout, "user:olga")
    assert not bench.page(rollout)["feed"]["closed"]
    bench.until(rollout, lambda page: page["rollout"]["state"] == "succeeded")
    steps = bench.page(rollout)["targets"][0]["steps"]
    assert [(run["step"], run["attempt"], run["state"]) for run in steps] == [
        (0, 1, "succeeded"),
        (1, 1, "failed"),
        (1, 2, "succeeded"),
    ]
    assert (bench.home / "once").read_text() == "once\n"
    assert bench.page(rollout)["feed"]["closed"]


@either_way
def test_a_pause_lets_the_step_end_and_starts_no_other(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe(f"- name: first\n  run: {bench.wait_for('gate')}\n- name: second\n  run: echo second\n")
    rollout = bench.start()
    bench.worker()
    bench.until_step(rollout, 0, "running")
    actions.pause_rollout(rollout, "user:olga")
    bench.open("gate")
    bench.until(rollout, lambda page: page["rollout"]["state"] == "paused")
    target = bench.page(rollout)["targets"][0]
    assert target["state"] == "running"
    assert [(run["step"], run["state"]) for run in target["steps"]] == [(0, "succeeded")]
    actions.resume_rollout(rollout, "user:olga")
    assert bench.until_ended(rollout)["rollout"]["state"] == "succeeded"


def test_no_start_is_sent_without_the_row_that_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_step, start = actions.begin_step, RunnerConnection.start
    begun: list[bool] = []
    sent: list[bool] = []

    def paused_at_the_last_moment(*args: int) -> bool:
        if not begun:
            actions.pause_rollout(rollout, "user:olga")
        begun.append(begin_step(*args))
        return begun[-1]

    async def noted(self: RunnerConnection, *args: Any, **how: Any) -> Any:
        sent.append(begun[-1])
        return await start(self, *args, **how)

    monkeypatch.setattr(actions, "begin_step", paused_at_the_last_moment)
    monkeypatch.setattr(RunnerConnection, "start", noted)
    bench.hosts("a")
    bench.recipe("- name: say\n  run: echo said\n")
    rollout = bench.start()
    bench.worker()
    bench.until(rollout, lambda page: page["rollout"]["state"] == "paused")
    actions.resume_rollout(rollout, "user:olga")
    assert bench.until_ended(rollout)["rollout"]["state"] == "succeeded"
    assert begun == [False, True]
    assert sent == [True]


@either_way
def test_a_file_is_uploaded_with_its_checksum(bench: Bench) -> None:
    bench.hosts("a")
    (bench.files / "game.bin").write_bytes(b"\0\1\2" * 70_000)
    bench.recipe(
        "- name: bring\n  upload: {file: game.bin, to: builds/game.bin}\n"
        "- name: look\n  run: wc -c < builds/game.bin\n"
    )
    rollout = bench.start()
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded", page
    assert (bench.home / "builds/game.bin").read_bytes() == b"\0\1\2" * 70_000


def test_a_file_that_changed_since_the_start_is_not_put_on_a_host(bench: Bench) -> None:
    bench.hosts("a")
    (bench.files / "game.bin").write_bytes(b"as it was")
    bench.recipe("- name: bring\n  upload: {file: game.bin, to: game.bin}\n")
    rollout = bench.start()
    (bench.files / "game.bin").write_bytes(b"as it is.")
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["targets"][0]["reason"] == "upload"
    assert "game.bin" in page["targets"][0]["detail"]
    assert not (bench.home / "game.bin").exists()


@either_way
def test_a_wait_lets_its_time_pass(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe("- name: soak\n  wait: 0.3s\n- name: then\n  run: echo then\n")
    rollout = bench.start()
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert page["rollout"]["ended_at_ms"] - page["rollout"]["started_at_ms"] >= 300


def test_a_check_that_never_holds_fails_at_its_deadline(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe("- name: health\n  check: {command: 'false', every: 0.1s, deadline: 1s}\n")
    rollout = bench.start()
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["targets"][0]["reason"] == "exit 1"
    assert "deadline of 1 s reached" in joined_lines(rollout, page["targets"][0]["id"], 0, 1)


def test_a_check_that_may_go_on_goes_on_at_its_deadline(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe(
        "- name: empty\n  check: {command: 'false', every: 0.1s, deadline: 1s, on_deadline: go_on}\n"
    )
    rollout = bench.start()
    bench.worker()
    assert bench.until_ended(rollout)["rollout"]["state"] == "succeeded"


def test_a_step_that_outlives_its_timeout_is_ended_by_the_host(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe("- name: hangs\n  run: sleep 60\n  timeout: 1s\n")
    rollout = bench.start()
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["targets"][0]["reason"] == "timeout"


def test_a_step_that_floods_its_host_is_ended_at_the_limit(bench: Bench, settings: Any) -> None:
    settings.ROLLCAST = {**settings.ROLLCAST, "MAX_OUTPUT": 200_000}
    bench.hosts("a")
    bench.recipe("- name: floods\n  run: while :; do echo flood; done\n")
    rollout = bench.start()
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["targets"][0]["reason"] == "output_limit"


def test_an_unreachable_host_fails_after_the_connect_deadline(bench: Bench) -> None:
    bench.hosts("a")
    bench.hosts_elsewhere("far", port=1)
    bench.recipe("- name: say\n  run: echo said\n")
    rollout = bench.start(failure_budget="1")
    bench.worker()
    page = bench.until_ended(rollout)
    assert {target["name"]: target["reason"] for target in page["targets"]} == {"a": "", "far": "unreachable"}
    assert page["targets"][1]["steps"] == []


def test_a_host_that_was_removed_from_the_fleet_fails_and_says_so(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe("- name: say\n  run: echo said\n")
    rollout = bench.start()
    bench.remove_host("a")
    bench.worker()
    assert bench.until_ended(rollout)["targets"][0]["reason"] == "host_removed"


@either_way
def test_an_interrupted_step_waits_for_a_person_when_its_recipe_says_ask(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe(f"- name: long\n  run: {bench.wait_for('gate')}\n")
    rollout = bench.start()
    bench.worker()
    bench.until_step(rollout, 0, "running")
    bench.power_off(rollout)
    bench.until(rollout, lambda page: page["targets"][0]["reason"] == "interrupted")
    assert bench.states(rollout) == {"a": "running"}
    assert queries.rollout_list()["rollouts"][0]["waiting"] == 1
    bench.open("gate")
    actions.retry_rollout(rollout, "user:olga")
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert [run["state"] for run in page["targets"][0]["steps"]] == ["interrupted", "succeeded"]


@pytest.mark.parametrize(("rerun", "end"), [("always", "succeeded"), ("never", "failed")])
def test_an_interrupted_step_does_what_its_recipe_says(bench: Bench, rerun: str, end: str) -> None:
    bench.hosts("a")
    bench.recipe(
        f"- name: long\n  rerun: {rerun}\n  run: mkdir $HOME/first 2>/dev/null || exit 0; sleep 60\n"
    )
    rollout = bench.start()
    bench.worker()
    bench.until_step(rollout, 0, "running")
    bench.until_made("first")
    bench.power_off(rollout)
    assert bench.until_ended(rollout)["targets"][0]["state"] == end


def test_hints_alone_carry_a_rollout_through_every_verb(bench: Bench, settings: Any) -> None:
    settings.ROLLCAST = {**settings.ROLLCAST, "SWEEP_S": 600.0}
    bench.hosts("a", "b")
    bench.recipe(
        f"- name: first\n  run: {bench.wait_for('gate')}\n"
        "- name: second\n  run: mkdir $HOME/tried 2>/dev/null && exit 1; exit 0\n"
        f"- name: third\n  run: {bench.wait_for('never')}\n"
    )
    bench.worker()
    rollout = bench.start(waves="1, rest")
    bench.until(rollout, lambda page: page["targets"][0]["steps"])
    actions.pause_rollout(rollout, "user:olga")
    bench.open("gate")
    bench.until(rollout, lambda page: page["rollout"]["state"] == "paused")
    actions.resume_rollout(rollout, "user:olga")
    assert bench.until_ended(rollout)["rollout"]["reason"] == "budget_exceeded"
    actions.retry_rollout(rollout, "user:olga")
    bench.until(rollout, lambda page: page["targets"][0]["step_index"] == 2)
    actions.cancel_rollout(rollout, "user:olga")
    assert bench.until_ended(rollout)["rollout"]["state"] == "cancelled"
