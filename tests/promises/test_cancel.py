"""Cancel with evidence, on real hosts: whatever a step does against it, it is gone, or it is said why not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from rollcast.demo.browser import Refused
from tests.promises.conftest import Site
from tests.promises.installation import Installation
from tests.remote.hosts import openssh_host
from tests.remote.processes import is_alive, processes_of
from tests.waiting import eventually

# What steps do so that a plain TERM to one process is not enough. Each writes the pids that must be gone, and
# in `daemon` those of a session of their own, which are no longer the step's.
STUBBORN = {
    "ignores TERM": """
    trap '' TERM
    echo $$ >> $HOME/pids
    echo here
    while :; do sleep 0.1; done
""",
    "forks": """
    for i in 1 2 3; do (trap '' TERM; exec sleep 300) & echo $! >> $HOME/pids; done
    echo $$ >> $HOME/pids
    echo here
    wait
""",
    "traps kill 0": """
    trap 'kill 0' TERM EXIT
    sleep 300 & echo $! >> $HOME/pids
    echo $$ >> $HOME/pids
    echo here
    wait
""",
    "closes stdout": """
    echo here
    exec > /dev/null 2>&1
    echo $$ >> $HOME/pids
    sleep 300
""",
    "leaves a child that keeps stdout": """
    (trap '' TERM HUP; while :; do sleep 0.1; done) & echo $! >> $HOME/pids
    echo $$ >> $HOME/pids
    echo here
    sleep 300
""",
    "leaves a daemon that keeps stdout": """
    setsid sh -c 'trap "" TERM HUP; echo $$ > $HOME/daemon; while :; do sleep 0.1; done' &
    until [ -s $HOME/daemon ]; do sleep 0.05; done
    echo $$ >> $HOME/pids
    echo here
    sleep 300
""",
}


def pids_of(site: Site, n: int = 1) -> list[int]:
    """The processes that the step has written down, once there are `n` of them."""
    file = site.host.home / "pids"
    eventually(lambda: file.exists() and len(file.read_text().split()) >= n, 30)
    return [int(word) for word in file.read_text().split()]


def end_daemons(site: Site) -> None:
    """What a step has put into a session of its own outlives it; end that."""
    file = site.host.home / "daemon"
    if file.exists():
        assert is_alive(int(file.read_text()))
        os.kill(int(file.read_text()), 9)
        file.unlink()


def cancelled_step(page: dict[str, Any]) -> dict[str, Any]:
    """The only step run of a rollout that ended as cancelled."""
    assert page["rollout"]["state"] == "cancelled"
    (target,) = page["targets"]
    (step,) = target["steps"]
    assert (target["state"], step["state"]) == ("cancelled", "cancelled")
    found: dict[str, Any] = step
    return found


@pytest.mark.parametrize("name", STUBBORN)
def test_a_stubborn_step_is_gone_when_the_page_says_so(quiet_site: Site, name: str) -> None:
    site, shop = quiet_site, quiet_site.installation
    (site.host.home / "pids").unlink(missing_ok=True)
    rollout = shop.start(f"- name: stays\n  run: |{STUBBORN[name]}")
    receiver = shop.receive(rollout)
    pids = pids_of(site, {"forks": 4, "traps kill 0": 2, "leaves a child that keeps stdout": 2}.get(name, 1))
    shop.until_step(rollout, "running")
    shop.ask(rollout, "cancel")
    step = cancelled_step(shop.until_ended(rollout))
    assert not any(is_alive(pid) for pid in pids)
    end_daemons(site)
    assert step["stop_evidence"] == "stopped"
    assert step["journal_same"] is True
    assert shop.account(rollout, receiver).written == 1


GATE = """#!/bin/sh
case $SSH_ORIGINAL_COMMAND in
    {start})
        touch {folder}/waits
        until [ -e {folder}/open ]; do sleep 0.05; done
        sh -c "$SSH_ORIGINAL_COMMAND"
        touch {folder}/left
        exit
        ;;
esac
exec sh -c "$SSH_ORIGINAL_COMMAND"
"""
START = '*" start .rollcast/"*'
BARREN = Path("/proc")  # where even root makes no folder
# How a host takes steps -> its home, if it is not an ordinary one, the start that waits at its door, and what
# is seen of it at a cancel: where nothing can be sealed a step is searched for, and not found.
Kind: TypeAlias = tuple[Path | None, str, str]
KINDS: dict[str, Kind] = {
    "detached": (None, START, "stopped"),
    "attached": (BARREN, "*rc_start_attached*" + START, "already_ended"),
    "not known yet to be attached": (BARREN, START, "stopped"),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each way in which a host takes steps."""
    return KINDS[request.param]


@pytest.fixture
def gated(kind: Kind, installation: Installation, tmp_path: Path) -> Iterator[Site]:
    """A host that lets a start wait at its door until the file `open` is there; no worker yet."""
    home, start, _ = kind
    gate = tmp_path / "gate"
    gate.write_text(GATE.format(start=start, folder=tmp_path))
    gate.chmod(0o755)
    with openssh_host(tmp_path / "sshd", home=home, also=f"ForceCommand {gate}") as host:
        console = installation.start_console("--no-worker")
        installation.import_host(host)
        yield Site(installation, host, console, [])
        installation.close()


def test_a_worker_frozen_before_its_start_and_woken_after_the_cancel_runs_nothing(
    gated: Site, kind: Kind, tmp_path: Path
) -> None:
    shop, home = gated.installation, gated.host.home
    frozen = shop.start_worker()
    rollout = shop.start(f"- name: say\n  run: touch {tmp_path}/ran; echo said")
    receiver = shop.receive(rollout)
    eventually((tmp_path / "waits").exists, 30)
    shop.freeze(frozen)
    shop.ask(rollout, "cancel")
    shop.start_worker()
    step = cancelled_step(shop.until_ended(rollout))
    assert step["stop_evidence"] == kind[2]
    (tmp_path / "open").touch()
    epoch = shop.page(rollout)["feed"]["epoch"].partition(".")[0]
    eventually(lambda: processes_of(f"\0start\0.rollcast/{epoch}/") or (tmp_path / "left").exists(), 30)
    frozen.thaw()  # the host is ready for the script by now
    eventually((tmp_path / "left").exists, 30)
    frozen.end()
    assert not (tmp_path / "ran").exists()
    folders = list(home.glob(".rollcast/*/r*/t*/s0/a1"))
    assert bool(folders) == (home != BARREN)
    for folder in folders:
        assert [file.name for file in folder.iterdir()] == ["run"]  # its start was refused
        assert [file.name for file in (folder / "run").iterdir()] == ["sealed"]
    assert [event for event in receiver.until_end() if event.kind in ("line", "cont")] == []
    assert shop.page(rollout)["targets"][0]["steps"] == [step]


SUDO = """- name: asks sudo
  run: |
    echo here
    $HOME/sudo --reuid 0 sleep 300 & echo $! > $HOME/pids
    wait
"""


def until_unconfirmed(site: Site) -> tuple[int, int]:
    """A rollout whose cancel could not end root's process: its id, and that process."""
    shop = site.installation
    rollout = shop.start(SUDO)
    (pid,) = pids_of(site)
    eventually(lambda: Path(f"/proc/{pid}").stat().st_uid == 0)
    shop.until_step(rollout, "running")
    shop.ask(rollout, "cancel")
    page = shop.until(rollout, lambda page: page["targets"][0]["steps"][0]["stop_evidence"] == "unconfirmed")
    (target,) = page["targets"]
    assert (page["rollout"]["state"], target["state"]) == ("cancelling", "cancelling")
    assert f"we may not signal {pid}" in target["steps"][0]["detail"]
    assert target["problem"]["code"] == "unconfirmed"
    assert is_alive(pid)
    return rollout, pid


def test_what_runs_as_root_is_unconfirmed_until_a_person_accepts_it(powerless: Site) -> None:
    shop = powerless.installation
    rollout, pid = until_unconfirmed(powerless)
    receiver = shop.receive(rollout)
    with pytest.raises(Refused, match="A reason is required"):
        shop.ask(rollout, "accept", targets=["far"], reason="")
    shop.ask(rollout, "accept", targets=["far"], reason="a sleep of root's does no harm")
    step = cancelled_step(shop.until_ended(rollout))
    assert is_alive(pid)
    assert step["stop_evidence"] == "unconfirmed"
    assert step["accepted_by"].startswith("user:")
    assert step["accepted_reason"] == "a sleep of root's does no harm"
    assert shop.account(rollout, receiver).written == 1
    assert "rollout.accepted" in [event.kind for event in receiver.events]


def test_once_it_is_gone_cancel_again_finds_that_out_at_once(powerless: Site) -> None:
    shop = powerless.installation
    rollout, pid = until_unconfirmed(powerless)
    os.kill(pid, 9)
    shop.ask(rollout, "cancel")
    step = cancelled_step(shop.until_ended(rollout))
    assert (step["stop_evidence"], step["detail"], step["accepted_by"]) == ("stopped", "", "")
