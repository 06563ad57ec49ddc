"""Contact comes and goes; what runs on a host goes on, and the page says what is known."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import asyncssh
import pytest

from rollcast.fleet.queries import host_row
from rollcast.rollouts import actions, queries
from tests.waiting import eventually
from tests.worker.conftest import Bench, Cable, is_alive
from tests.worker.test_takeover import COUNTS_SLOWLY, account_closes, some_lines


def grows_from(rollout: int, target: int, mark: int) -> None:
    """Wait until more than `mark` bytes of the first step's output are stored."""
    eventually(lambda: queries.mark(rollout, target, 0, 1) > mark, 20)


def test_cuts_in_mid_step_lose_and_repeat_no_line(bench: Bench) -> None:
    bench.hosts("a", "b")
    bench.recipe(COUNTS_SLOWLY)
    cable = Cable()
    bench.worker(cable)
    rollout = bench.start()
    eventually(lambda: some_lines(bench, rollout), 20)
    target = bench.page(rollout)["targets"][0]["id"]
    for _ in range(8):
        cable.cut()
        grows_from(rollout, target, queries.mark(rollout, target, 0, 1))
    bench.open("gate")
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert (bench.home / "begun").read_text() == "begun\n" * 2
    account_closes(bench, rollout)


def test_a_host_out_of_reach_is_lost_not_failed_and_comes_back(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe(COUNTS_SLOWLY)
    cable = Cable()
    bench.worker(cable)
    rollout = bench.start()
    eventually(lambda: some_lines(bench, rollout), 20)
    cable.up = False
    cable.cut()
    bench.until(rollout, lambda page: page["targets"][0]["state"] == "lost")
    bench.open("gate")
    (step,) = bench.pids(rollout)[-1:] or [0]
    eventually(lambda: not is_alive(step), 20)
    assert bench.page(rollout)["targets"][0]["steps"][0]["state"] == "running"
    cable.up = True
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert len(page["targets"][0]["steps"]) == 1
    account_closes(bench, rollout)


def test_a_cancel_without_contact_is_not_believed_until_the_host_confirms_it(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe("- name: hangs\n  run: sleep 300\n")
    cable = Cable()
    bench.worker(cable)
    rollout = bench.start()
    bench.until_step(rollout, 0, "running")
    cable.up = False
    cable.cut()
    bench.until(rollout, lambda page: page["targets"][0]["state"] == "lost")
    pids = bench.pids(rollout)
    actions.cancel_rollout(rollout, "user:olga")
    bench.until(rollout, lambda page: page["targets"][0]["steps"][0]["stop_evidence"] == "unconfirmed")
    page = bench.page(rollout)
    assert (page["rollout"]["state"], page["targets"][0]["state"]) == ("cancelling", "cancelling")
    assert all(is_alive(pid) for pid in pids)
    cable.up = True
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "cancelled"
    assert page["targets"][0]["steps"][0]["stop_evidence"] == "stopped"
    assert not any(is_alive(pid) for pid in pids)


@pytest.fixture
def ssh_port() -> Iterator[int]:
    """An SSH server with a host key that nobody knows."""
    ready = threading.Event()
    made: list[Any] = []

    async def serve() -> None:
        stop = asyncio.Event()
        key = asyncssh.generate_private_key("ssh-ed25519")
        server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[key])
        made.extend([asyncio.get_running_loop(), stop, server.get_port()])
        ready.set()
        await stop.wait()
        server.close()
        await server.wait_closed()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(timeout=10)
    yield made[2]
    made[0].call_soon_threadsafe(made[1].set)
    thread.join(timeout=10)


def test_an_unknown_host_key_fails_the_target_and_waits_for_a_decision(bench: Bench, ssh_port: int) -> None:
    bench.hosts_elsewhere("far", port=ssh_port)
    bench.recipe("- name: say\n  run: echo said\n")
    rollout = bench.start()
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["targets"][0]["reason"] == "host_key_unknown"
    row = host_row("far")
    assert row is not None
    assert [key["state"] for key in row["keys"]] == ["pending"]


def test_a_host_on_which_nothing_can_be_started_fails_and_is_not_lost(bench: Bench) -> None:
    bench.hosts("a")
    (bench.home / ".rollcast").write_text("no folder")
    bench.recipe("- name: say\n  run: echo said\n")
    rollout = bench.start()
    bench.worker()
    target = bench.until_ended(rollout)["targets"][0]
    assert (target["state"], target["reason"]) == ("failed", "runner")
    assert ".rollcast" in target["detail"]
    assert target["steps"][0]["detail"] == target["detail"]
