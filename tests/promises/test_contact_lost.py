"""SSH is cut, a host is away for a while, sshd is restarted, a host is rebooted: lost is not failed."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.promises.conftest import SERVERS, Site, opened
from tests.promises.installation import Installation
from tests.promises.test_worker_killed import counting, ran, until_lines
from tests.remote.hosts import Host
from tests.remote.processes import is_alive
from tests.waiting import eventually
from tests.worker.test_over_ssh import ThreadedProxy

ANOTHER_BOOT = "00000000-0000-4000-8000-000000000000"
HALF_A_LINE = (
    "- name: speaks\n  rerun: never\n  run: |\n    echo speaks >> $HOME/ran\n    printf 'half of '\n"
    "    until [ -e $HOME/gate ]; do sleep 0.05; done\n    echo 'a line 第一行'\n"
)


@pytest.fixture
def site(installation: Installation, debian: Host) -> Site:
    """Everything in one process: a cut does not ask which one it is."""
    return opened(installation, debian, apart=False)


@pytest.fixture(params=SERVERS)
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    """Each SSH server."""
    with SERVERS[request.param](tmp_path / "far") as host:
        yield host


@pytest.fixture
def cut_site(installation: Installation, far: Host, proxy: ThreadedProxy) -> Iterator[Site]:
    """A site whose host is reached over the proxy."""
    yield opened(installation, far, apart=False, port=str(proxy.port))
    installation.close()


def until_lost(site: Site, rollout: int) -> dict[str, Any]:
    """The target once it is lost: it says since when and why."""
    page = site.installation.until(rollout, lambda page: page["targets"][0]["state"] == "lost")
    target: dict[str, Any] = page["targets"][0]
    assert page["rollout"]["state"] == "running"
    assert target["since_ms"] >= page["rollout"]["started_at_ms"]
    assert target["reason"] in {"contact_lost", "unreachable"}
    assert target["detail"]
    return target


def test_a_cut_in_mid_line_is_read_on_at_the_offset(cut_site: Site, proxy: ThreadedProxy) -> None:
    shop, home = cut_site.installation, cut_site.host.home
    rollout = shop.start(HALF_A_LINE)
    receiver = shop.receive(rollout)
    eventually(lambda: "half of " in [event.data for event in shop.stored(rollout)], 30)
    proxy.cut(for_good=True)
    since = until_lost(cut_site, rollout)["since_ms"]
    (home / "gate").touch()  # it goes on and ends without us
    (run,) = home.glob(".rollcast/*/r*/t*/s0/a1/run")
    eventually(lambda: "\nexit 0 " in (run / "control").read_text(), 30)
    assert until_lost(cut_site, rollout)["since_ms"] == since
    proxy.mend()
    page = shop.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert page["targets"][0]["steps"][0]["journal_same"] is True
    assert ran(home) == ["speaks"]
    assert shop.account(rollout, receiver).written == 1


def test_sshd_is_restarted_while_output_flows(site: Site) -> None:
    shop, server = site.installation, site.host.server
    assert server is not None
    rollout = shop.start(counting("gate"))
    receiver = shop.receive(rollout)
    for n in (20, 60):
        until_lines(site, rollout, n)
        server.stop()
        until_lost(site, rollout)
        server.start()
        shop.until(rollout, lambda page: page["targets"][0]["state"] == "running")
    (site.host.home / "gate").touch()
    assert shop.until_ended(rollout)["rollout"]["state"] == "succeeded"
    assert ran(site.host.home) == ["counts"]
    shop.account(rollout, receiver)


def until_gone(pid: int) -> None:
    """Wait for the end of a process."""
    eventually(lambda: not is_alive(pid))


def reboot(host: Host) -> None:
    """What a reboot leaves of a step: no process, no exit record, and a `started` of another boot."""
    assert host.server is not None
    host.server.stop()
    for run in host.home.glob(".rollcast/*/r*/t*/s*/a*/run"):
        for name in ("supervisor", "step"):
            pid = int((run / name).read_text().split()[0])
            os.killpg(pid, signal.SIGKILL)
            until_gone(pid)
        control = run / "control"
        control.write_text(
            re.sub(r"^(started .*) \S+$", rf"\1 {ANOTHER_BOOT}", control.read_text(), flags=re.M)
        )
    host.server.start()


def interrupted(site: Site, rerun: str) -> tuple[int, Any]:
    """A rollout of one step whose host was rebooted in the middle of it, and its client."""
    shop = site.installation
    steps = counting("gate").replace("rerun: never", f"rerun: {rerun}")
    rollout = shop.start(steps)
    receiver = shop.receive(rollout)
    until_lines(site, rollout, 10)
    reboot(site.host)
    (site.host.home / "gate").touch()
    return rollout, receiver


def attempts(page: dict[str, Any]) -> list[tuple[str, str]]:
    """State and reason of each attempt."""
    return [(step["state"], step["reason"]) for step in page["targets"][0]["steps"]]


def test_after_a_reboot_rerun_always_runs_the_step_again(site: Site) -> None:
    rollout, receiver = interrupted(site, "always")
    page = site.installation.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert attempts(page) == [("interrupted", "interrupted"), ("succeeded", "")]
    assert ran(site.host.home) == ["counts", "counts"]
    site.installation.account(rollout, receiver)


def test_after_a_reboot_rerun_never_fails(site: Site) -> None:
    rollout, receiver = interrupted(site, "never")
    page = site.installation.until_ended(rollout)
    assert (page["rollout"]["state"], page["targets"][0]["reason"]) == ("failed", "interrupted")
    assert attempts(page) == [("interrupted", "interrupted")]
    assert ran(site.host.home) == ["counts"]
    site.installation.account(rollout, receiver)


def test_after_a_reboot_rerun_ask_waits_for_a_person(site: Site) -> None:
    rollout, receiver = interrupted(site, "ask")
    shop = site.installation
    page = shop.until(rollout, lambda page: page["targets"][0]["reason"] == "interrupted")
    assert (page["rollout"]["state"], page["targets"][0]["state"]) == ("running", "running")
    assert ran(site.host.home) == ["counts"]
    shop.ask(rollout, "retry")
    page = shop.until_ended(rollout)
    assert attempts(page) == [("interrupted", "interrupted"), ("succeeded", "")]
    assert ran(site.host.home) == ["counts", "counts"]
    shop.account(rollout, receiver)
