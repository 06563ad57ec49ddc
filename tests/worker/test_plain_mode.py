"""Hosts that let us write nothing: steps run attached, the rows say so, and what is cut off is said to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import livefeed
from rollcast.rollouts import actions, queries
from tests.remote.hosts import openssh_host
from tests.remote.processes import is_alive
from tests.waiting import eventually
from tests.worker.conftest import Bench, Cable, joined_lines
from tests.worker.test_over_ssh import SshBench

SLOW = "- name: slow\n  rerun: {rerun}\n  run: |\n    echo $$ >> {home}/begun\n    echo on\n    {wait}\n"


@pytest.fixture
def barren(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench whose hosts have a home in which even root makes no folder."""
    monkeypatch.setenv("HOME", "/proc")
    bench.hosts("a")
    return bench


def slow(bench: Bench, rerun: str) -> str:
    """A step that writes down who it is and waits until the file `gate` is there."""
    return SLOW.format(
        rerun=rerun, home=bench.home, wait=f"until [ -e {bench.home}/gate ]; do sleep 0.05; done"
    )


def pids(bench: Bench, at_least: int = 1) -> list[int]:
    """Who began, once so many have."""
    begun = bench.home / "begun"
    eventually(lambda: begun.exists() and len(begun.read_text().split()) >= at_least, 20)
    return [int(pid) for pid in begun.read_text().split()]


def runs(page: dict[str, Any]) -> list[tuple[str, str]]:
    return [(run["state"], run["reason"]) for run in page["targets"][0]["steps"]]


def test_a_step_runs_attached_and_its_row_and_events_say_so(barren: Bench) -> None:
    barren.recipe(
        "- name: say\n  run: echo 第一行; printf half\n- name: look\n  check: {command: test -d /proc}\n"
    )
    rollout = barren.start()
    barren.worker()
    page = barren.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert runs(page) == [("succeeded", "attached")] * 2
    target = page["targets"][0]["id"]
    assert joined_lines(rollout, target, 0, 1) == "第一行\nhalf"
    (account, _) = queries.journal_account(rollout)
    assert account["stored_bytes"] == account["stretches"][0][1] == len("第一行\nhalf".encode())
    # The page must not say that this is what the host wrote: nobody can know.
    assert (account["journal_bytes"], account["journal_sha256"]) == (None, "")
    told = [
        (item["state"], item["reason"])
        for _lane, kind, _origin, _at, _first, items in livefeed.read(f"rollout/{rollout}").groups
        if kind == "step.state"
        for item in items
        if item["step"] == 0
    ]
    assert ("running", "attached") in told
    assert told[-1] == ("succeeded", "attached")


def test_a_step_that_fails_tells_its_exit_code(barren: Bench) -> None:
    barren.recipe("- name: fail\n  run: echo off; exit 3\n")
    rollout = barren.start()
    barren.worker()
    assert runs(barren.until_ended(rollout)) == [("failed", "exit 3")]


@pytest.mark.parametrize(
    ("rerun", "end"),
    [("always", "succeeded"), ("never", "failed")],
)
def test_a_lost_contact_interrupts_and_the_step_runs_no_more(barren: Bench, rerun: str, end: str) -> None:
    barren.recipe(slow(barren, rerun))
    cable = Cable()
    barren.worker(cable)
    rollout = barren.start()
    (first,) = pids(barren)
    barren.until_step(rollout, 0, "running")
    cable.cut()
    if rerun == "always":
        assert pids(barren, 2)[0] == first
        assert not is_alive(first)
        barren.open("gate")
    page = barren.until_ended(rollout)
    assert page["targets"][0]["state"] == end
    assert runs(page)[0] == ("interrupted", "attached_lost")
    assert not is_alive(first)


def test_another_worker_cannot_go_on_with_it(barren: Bench) -> None:
    barren.recipe(slow(barren, "ask"))
    first_worker = barren.worker()
    rollout = barren.start()
    (first,) = pids(barren)
    barren.until_step(rollout, 0, "running")
    assert first_worker.stop()
    barren.worker()
    barren.until(rollout, lambda page: page["targets"][0]["reason"] == "interrupted")
    assert runs(barren.page(rollout)) == [("interrupted", "attached_lost")]
    assert not is_alive(first)
    barren.open("gate")
    actions.retry_rollout(rollout, "user:olga")
    assert runs(barren.until_ended(rollout))[-1] == ("succeeded", "attached")


def test_a_cancel_stops_it_and_knows_that(barren: Bench) -> None:
    barren.recipe(slow(barren, "ask"))
    barren.worker()
    rollout = barren.start()
    (first,) = pids(barren)
    barren.until_step(rollout, 0, "running")
    actions.cancel_rollout(rollout, "user:olga")
    page = barren.until_ended(rollout)
    assert page["rollout"]["state"] == "cancelled"
    assert page["targets"][0]["steps"][0]["stop_evidence"] == "stopped"
    assert not is_alive(first)


def test_a_cancel_without_contact_waits_for_the_host(barren: Bench) -> None:
    barren.recipe(slow(barren, "ask"))
    cable = Cable()
    barren.worker(cable)
    rollout = barren.start()
    (first,) = pids(barren)
    barren.until_step(rollout, 0, "running")
    cable.up = False
    cable.cut()
    barren.until(rollout, lambda page: page["targets"][0]["state"] == "lost")
    actions.cancel_rollout(rollout, "user:olga")
    barren.until(rollout, lambda page: page["targets"][0]["steps"][0]["stop_evidence"] == "unconfirmed")
    cable.up = True
    page = barren.until_ended(rollout)
    assert page["rollout"]["state"] == "cancelled"
    assert page["targets"][0]["steps"][0]["stop_evidence"] in {"stopped", "already_ended"}
    assert not is_alive(first)


def test_it_works_over_real_ssh(bench: Bench, tmp_path: Path) -> None:
    with openssh_host(tmp_path / "sshd", home=Path("/proc")) as host:
        far = SshBench(bench, host, tmp_path)
        far.import_host()
        bench.recipe("- name: say\n  run: echo said\n")
        rollout = bench.start()
        bench.worker()
        assert runs(bench.until_ended(rollout)) == [("succeeded", "attached")]
        bench.stop_workers()


def test_a_forced_command_fails_the_step_by_name(bench: Bench, tmp_path: Path) -> None:
    with openssh_host(tmp_path / "sshd", also="ForceCommand echo Go away") as host:
        far = SshBench(bench, host, tmp_path)
        far.import_host()
        bench.recipe("- name: say\n  run: echo said\n")
        rollout = bench.start()
        bench.worker()
        assert runs(bench.until_ended(rollout)) == [("failed", "forced_command")]
        bench.stop_workers()
