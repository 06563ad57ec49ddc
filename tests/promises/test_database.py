"""The disk is full, or the database locked for longer than anybody waits: it is said, and nothing is lost."""

from __future__ import annotations

import contextlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rollcast.demo.browser import Refused
from tests.promises.conftest import Site, opened
from tests.promises.installation import Installation
from tests.promises.test_worker_killed import counting, ran, until_lines
from tests.remote.hosts import Host
from tests.waiting import eventually

SETTINGS: dict[str, Any] = {"DATABASE_LOCK_S": 0.5}


def status(shop: Installation) -> str:
    """The code of what the page says is wrong; "" for nothing."""
    found = shop.browser.get("/api/status")
    assert found["problem"] is None or found["since_ms"] is not None
    return found["problem"]["code"] if found["problem"] else ""


def lines_stored(shop: Installation, rollout: int) -> int:
    return sum(event.kind == "line" for event in shop.stored(rollout))


def ends_well(site: Site, rollout: int, receiver: Any) -> None:
    """The fault has ended: all goes on by itself."""
    shop = site.installation
    until_lines(site, rollout, lines_stored(shop, rollout) + 20)
    eventually(lambda: status(shop) == "", 30)
    (site.host.home / "gate").touch()
    assert shop.until_ended(rollout)["rollout"]["state"] == "succeeded"
    assert ran(site.host.home) == ["counts"]
    shop.account(rollout, receiver)


@pytest.fixture
def installation(installation: Installation) -> Installation:
    """One that notices soon what its database refuses."""
    installation.settings(**SETTINGS)
    return installation


def test_a_database_locked_beyond_its_time_out(site: Site, installation: Installation) -> None:
    rollout = installation.start(counting("gate"))
    receiver = installation.receive(rollout)
    until_lines(site, rollout, 20)
    eventually(lambda: status(installation) == "", 30)
    with closing(installation.database()) as database:
        database.execute("BEGIN IMMEDIATE")
        eventually(lambda: status(installation) == "database_locked", 30)
        before = lines_stored(installation, rollout)
        with pytest.raises(Refused, match=r"503.*database_locked"):  # it cannot be written down
            installation.ask(rollout, "pause")
        assert lines_stored(installation, rollout) == before
        assert installation.page(rollout)["rollout"]["wanted"] == "run"
    ends_well(site, rollout, receiver)


def fill(path: Path) -> None:
    """Leave no byte free on the disk."""
    with path.open("wb", buffering=0) as file:
        for size in (64 * 1024, 1024, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def test_a_full_disk(small_disk: Installation, debian: Host) -> None:
    small_disk.settings(**SETTINGS)
    site = opened(small_disk, debian, apart=False)
    rollout = small_disk.start(counting("gate"))
    receiver = small_disk.receive(rollout)
    until_lines(site, rollout, 20)
    filler = small_disk.home.parent / "filler"
    fill(filler)
    eventually(lambda: status(small_disk) == "disk_full", 30)
    before = lines_stored(small_disk, rollout)
    assert len([event for event in receiver.events if event.kind == "line"]) <= before
    with pytest.raises(Refused, match=r"503.*disk_full"):  # it cannot be written down
        small_disk.ask(rollout, "pause")
    assert small_disk.page(rollout)["rollout"]["wanted"] == "run"
    filler.unlink()
    ends_well(site, rollout, receiver)
