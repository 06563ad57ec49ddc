"""Contact comes and goes; what runs on a host goes on, and the page says what is known."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from typing_extensions import override

import livefeed
from rollcast.conf import option
from rollcast.fleet.queries import host_row
from rollcast.remote.connector import Attachment, Connection, ConnectOptions, HostSpec
from rollcast.remote.errors import ContactLost
from rollcast.rollouts import actions, queries
from rollcast.worker.contact import Contact
from tests.remote.hosts import strange_host
from tests.remote.processes import is_alive
from tests.waiting import eventually
from tests.worker.conftest import Bench, Cable
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
    since_s = bench.page(rollout)["targets"][0]["since_ms"] / 1000
    # For longer than a host where nothing was started has its time.
    eventually(lambda: time.time() > since_s + 2 * option("CONNECT_DEADLINE_S"), 20)
    bench.open("gate")
    (step,) = bench.pids(rollout)[-1:] or [0]
    eventually(lambda: not is_alive(step), 20)
    (target,) = bench.page(rollout)["targets"]
    assert (target["state"], target["since_ms"]) == ("lost", since_s * 1000)
    assert target["steps"][0]["state"] == "running"
    cable.up = True
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert len(page["targets"][0]["steps"]) == 1
    account_closes(bench, rollout)


class HollowCable(Cable):
    """While `hollow`, hosts take the log-in and no command."""

    def __init__(self) -> None:
        super().__init__()
        self.hollow = False
        self.n_connections = 0

    @override
    async def __call__(self, spec: HostSpec, options: ConnectOptions) -> Connection:
        connection = await super().__call__(spec, options)
        self.n_connections += 1
        if self.hollow:
            await connection.close()
            hollow: Any = _Hollow(connection)  # has what a worker asks first
            connection = hollow
        return connection


class _Hollow:
    """A connection on which no channel comes about."""

    closed = False

    def __init__(self, connection: Connection) -> None:
        self.close = connection.close

    async def attach(self, directory: str, offset: int) -> Attachment:
        self.closed = True
        raise ContactLost(f"{directory}: no channel")


def test_a_host_that_takes_log_ins_and_no_command_stays_lost_and_is_tried_ever_later(
    bench: Bench, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ROLLCAST = {**settings.ROLLCAST, "RECONNECT_FIRST_S": 0.01}
    delays: list[float] = []
    next_try_s = Contact.next_try_s

    def noted(self: Contact) -> float:
        delays.append(next_try_s(self))
        return delays[-1]

    monkeypatch.setattr(Contact, "next_try_s", noted)
    monkeypatch.setattr(random, "uniform", lambda least, most: most)
    bench.hosts("a")
    bench.recipe(COUNTS_SLOWLY)
    cable = HollowCable()
    bench.worker(cable)
    rollout = bench.start()
    eventually(lambda: some_lines(bench, rollout), 20)
    cable.hollow = True
    cable.cut()
    eventually(lambda: cable.n_connections >= 6, 20)
    assert delays[:5] == [0.01, 0.02, 0.04, 0.08, 0.16]
    states = [
        item["state"]
        for _lane, kind, _origin, _at, _first, items in livefeed.read(f"rollout/{rollout}").groups
        if kind == "target.state"
        for item in items
    ]
    assert states.count("lost") <= 2  # once for the cut, once more for what is said since
    assert states[-1] == "lost"
    cable.hollow = False
    bench.open("gate")
    assert bench.until_ended(rollout)["rollout"]["state"] == "succeeded"
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
    with strange_host() as port:
        yield port


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
