"""Every doorbell rings after the commit, in any thread; the SQLite one also between processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connection, transaction
from pytest_django import Settings

import livefeed
from livefeed.doorbell import Doorbell, Listeners, doorbell
from tests.livefeed.conftest import DOORBELLS
from tests.livefeed.oracle import write
from tests.livefeed.serving import ROOT, environment
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

SET_UP = """
import django
from django.conf import settings
from tests.livefeed.serving import settings as sample
settings.configure(**sample())
django.setup()
import livefeed
"""
APPEND = """
livefeed.append("f", [livefeed.Chunk("t", "line", ["from another process"])])
"""


@pytest.fixture(
    params=["livefeed.doorbells.memory.MemoryDoorbell", DOORBELLS["sqlite"]], ids=["memory", "sqlite"]
)
def bell(request: pytest.FixtureRequest, settings: Settings) -> Doorbell:
    settings.LIVEFEED = {"DOORBELL": request.param}
    return doorbell()


@pytest.fixture
def rings(bell: Doorbell) -> Iterator[list[str | None]]:
    """What has rung."""
    heard: list[str | None] = []
    stop = bell.listen(heard.append)
    yield heard
    stop()
    stop()


def in_thread(call: Callable[[], None]) -> None:
    def run() -> None:
        call()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)


def test_an_append_rings_from_any_thread(rings: list[str | None]) -> None:
    write("f", 1)
    in_thread(lambda: write("g", 1))
    assert [feed for feed in rings if feed] == ["f", "g"]


def test_closing_and_reopening_ring_too(rings: list[str | None]) -> None:
    write("f", 1)
    livefeed.close("f")
    livefeed.close("f")
    livefeed.reopen("f")
    assert [feed for feed in rings if feed] == ["f", "f", "f"]


def test_nothing_rings_before_the_commit_or_after_a_roll_back(rings: list[str | None]) -> None:
    def fail() -> None:
        with transaction.atomic():
            write("f", 1)
            assert [feed for feed in rings if feed] == []
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [feed for feed in rings if feed] == []


def test_a_listener_that_fails_harms_neither_the_append_nor_the_others(
    bell: Doorbell, caplog: pytest.LogCaptureFixture
) -> None:
    rings: list[str | None] = []

    def fail(feed: str | None) -> None:
        raise RuntimeError("a listener of no use")

    stops = [bell.listen(fail), bell.listen(rings.append)]
    write("f", 1)
    assert "f" in rings
    assert "a listener failed" in caplog.text
    for stop in stops:
        stop()


def test_a_ring_may_come_while_somebody_begins_or_ceases_to_listen(
    bell: Doorbell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal handler rings in the midst of whatever its thread was at."""
    assert isinstance(bell, Listeners)
    rings: list[str | None] = []
    own = type(bell)()  # whoever hangs in it holds up nobody else
    monkeypatch.setattr(own, "listeners_changed", lambda count: own.ring(f"{count}"))

    def come_and_go() -> None:
        own.listen(rings.append)()

    thread = threading.Thread(target=come_and_go, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert rings == ["1"]


def test_another_process_is_noticed_by_the_file(settings: Settings) -> None:
    settings.LIVEFEED = {"DOORBELL": DOORBELLS["sqlite"]}
    heard: list[str | None] = []
    stop = doorbell().listen(heard.append)
    eventually(lambda: heard)  # the first look counts as a ring: nobody knows what was before it
    heard.clear()
    file, quiet = str(connection.settings_dict["NAME"]), {"DOORBELL": DOORBELLS["muted"]}
    subprocess.run(
        [sys.executable, "-c", SET_UP + APPEND],
        cwd=ROOT,
        env=environment(file, quiet),
        check=True,
        timeout=30,
    )
    eventually(lambda: None in heard)
    stop()
    eventually(lambda: not [each for each in threading.enumerate() if each.name == "livefeed-data-version"])
