"""The web is killed or sent away in mid-rollout: clients come back by themselves, work goes on meanwhile."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.promises.conftest import Site
from tests.promises.installation import Installation
from tests.promises.test_worker_killed import counting, ran, until_lines
from tests.waiting import eventually


def head(shop: Installation, rollout: int) -> int:
    """How many events are stored, without a web to ask."""
    with closing(shop.database()) as database:
        query = "SELECT head FROM livefeed_feed WHERE key = ?"
        ((found,),) = database.execute(query, (f"rollout/{rollout}",)).fetchall()
    return int(found)


def until_more(shop: Installation, rollout: int) -> None:
    """Wait until 50 events more are stored."""
    wanted = head(shop, rollout) + 50
    eventually(lambda: head(shop, rollout) >= wanted, 30)


@pytest.fixture
def installation(installation: Installation) -> Installation:
    """One in which no lease lapses, however late a worker on a busy machine is."""
    installation.settings(LEASE_TRUST_S=60.0)
    return installation


def held(shop: Installation) -> bool:
    """Whether a worker holds the only target."""
    with closing(shop.database()) as database:
        ((worker,),) = database.execute("SELECT worker_id FROM rollcast_rollouts_target").fetchall()
    return worker is not None


def journal(home: Path) -> Path:
    """The journal of the only step run."""
    (found,) = home.glob(".rollcast/*/r*/*/s0/a1/run/journal")
    return found


@pytest.mark.parametrize("site", ["apart"], indirect=True)
def test_a_rollout_does_not_notice_that_the_web_is_killed(site: Site) -> None:
    shop, home = site.installation, site.host.home
    rollout = shop.start(counting("gate"))
    receiver = shop.receive(rollout)
    until_lines(site, rollout, 20)
    fence = shop.fence()
    for _ in range(2):
        site.console.kill()
        until_more(shop, rollout)
        site.console = shop.start_console("--no-worker")
    (home / "gate").touch()
    page = shop.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert (shop.fence(), ran(home)) == (fence, ["counts"])
    shop.account(rollout, receiver)
    assert receiver.connections >= 3


def test_after_sigterm_nothing_is_held_and_the_next_ones_go_on(site: Site) -> None:
    shop, home = site.installation, site.host.home
    rollout = shop.start(counting("gate"))
    receiver = shop.receive(rollout)
    until_lines(site, rollout, 20)
    assert [process.end() for process in (*site.workers, site.console)] == [0] * (1 + len(site.workers))
    assert not held(shop)
    left_at, written = head(shop, rollout), journal(home).stat().st_size
    eventually(lambda: journal(home).stat().st_size > written)  # the step needs none of us
    assert head(shop, rollout) == left_at
    site.console = shop.start_console(*(["--no-worker"] if site.workers else []))
    if site.workers:
        shop.start_worker()
    until_more(shop, rollout)
    (home / "gate").touch()
    page = shop.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert page["targets"][0]["steps"][0]["journal_same"] is True
    assert ran(home) == ["counts"]
    shop.account(rollout, receiver)
    assert receiver.connections >= 2
