"""A worker is killed or frozen at any moment: another goes on; nothing runs twice, no line is lost or twice.

With everything in one process a killed worker is a killed console as well: it is started again, as systemd
does, and the client comes back by itself.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.promises.conftest import MORE_SITES, SITES, Site
from tests.promises.test_cancel import cancelled_step
from tests.remote.processes import is_alive
from tests.waiting import eventually


def counting(gate: str, name: str = "counts") -> str:
    """A step that must not run twice and counts until the gate opens; it notes that it began, and its pid."""
    return (
        f"- name: {name}\n  rerun: never\n  run: |\n"
        f"    echo {name} >> $HOME/ran; echo $$ >> $HOME/pids\n    i=0\n"
        f'    until [ -e $HOME/{gate} ]; do echo "第 $i 行"; i=$((i+1)); sleep 0.01; done\n'
    )


def until_lines(site: Site, rollout: int, n: int) -> None:
    """Wait until so many lines are stored."""

    def stored() -> bool:
        return sum(event.kind == "line" for event in site.installation.stored(rollout)) >= n

    eventually(stored, 30)


def ran(home: Path) -> list[str]:
    """The steps that began, in order."""
    return (home / "ran").read_text().split()


@pytest.mark.parametrize("site", [*SITES, *MORE_SITES], indirect=True)
def test_while_a_step_writes(site: Site) -> None:
    shop, home = site.installation, site.host.home
    rollout = shop.start(counting("gate") + counting("gate", "then"))
    receiver = shop.receive(rollout)
    for n in (20, 60):  # twice: who took over is killed, too
        until_lines(site, rollout, n)
        site.kill_holder()
        if site.workers:
            site.workers.append(shop.start_worker())
    until_lines(site, rollout, 100)
    (home / "gate").touch()
    page = shop.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert [step["journal_same"] for step in page["targets"][0]["steps"]] == [True, True]
    assert ran(home) == ["counts", "then"]
    assert shop.account(rollout, receiver).written >= 100


def test_while_the_step_ends(site: Site) -> None:
    shop, home = site.installation, site.host.home
    rollout = shop.start(counting("gate") + "- name: then\n  run: echo then >> $HOME/ran\n")
    receiver = shop.receive(rollout)
    until_lines(site, rollout, 5)
    held = site.holder()
    shop.freeze(held)  # it hears nothing of the end …
    (home / "gate").touch()
    eventually(lambda: not is_alive(int((home / "pids").read_text())), 30)
    held.thaw()
    site.kill_holder()  # … or is in the middle of writing it down
    page = shop.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert ran(home) == ["counts", "then"]
    shop.account(rollout, receiver)


def test_while_it_cancels(site: Site) -> None:
    shop, home = site.installation, site.host.home
    stays = "    trap '' TERM\n    echo here\n    while :; do sleep 0.1; done\n"
    rollout = shop.start(f"- name: stays\n  run: |\n    echo $$ >> $HOME/pids\n{stays}")
    receiver = shop.receive(rollout)
    until_lines(site, rollout, 1)
    shop.until_step(rollout, "running")
    shop.ask(rollout, "cancel")
    shop.until(rollout, lambda page: page["targets"][0]["state"] in {"cancelling", "cancelled"})
    site.kill_holder()
    step = cancelled_step(shop.until_ended(rollout))
    assert step["stop_evidence"] == "stopped"
    assert not is_alive(int((home / "pids").read_text()))
    shop.account(rollout, receiver)


@pytest.mark.parametrize("site", ["apart"], indirect=True)
def test_one_that_comes_back_after_its_lease_changes_nothing(site: Site) -> None:
    shop, home = site.installation, site.host.home
    rollout = shop.start(counting("gate") + counting("last", "then"))
    receiver = shop.receive(rollout)
    until_lines(site, rollout, 10)
    zombie = site.holder()
    shop.freeze(zombie)
    (home / "gate").touch()
    shop.until_step(rollout, "running", step=1, deadline_s=30)
    assert site.holder() is not zombie
    fence = shop.fence()
    zombie.thaw()
    until_lines(site, rollout, len(shop.stored(rollout)) + 50)
    (home / "last").touch()
    page = shop.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert shop.fence() == fence
    assert [step["attempt"] for step in page["targets"][0]["steps"]] == [1, 1]
    assert ran(home) == ["counts", "then"]
    shop.account(rollout, receiver)
