"""Long silence, and the last ring before it lost: a feed that was idle for a day brings the next line."""

from __future__ import annotations

import asyncio
import time

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

import livefeed
from livefeed import reader
from livefeed.conf import DEFAULTS
from livefeed.doorbell import doorbell
from tests.livefeed.oracle import write
from tests.livefeed.peer import Peer, assert_is_log, events, off_loop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bell")]

LEAP_S = 300
A_DAY_AND_AN_HOUR_S = 25 * 3600


class Clock:
    """`time.monotonic`, the loop's own clock too, that can leap."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real, self._ahead_s = time.monotonic, 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self._real() + self._ahead_s)

    def leap(self, seconds: float) -> None:
        """Every timer that is due within these seconds is due now."""
        self._ahead_s += seconds


async def test_a_feed_that_was_idle_for_25_hours_still_brings_the_next_line(
    olga: User, bell: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing on the way may expire: no membership, no right to be woken, no reader, no thread."""
    if bell != "muted":  # the ring alone must do it
        settings.LIVEFEED = settings.LIVEFEED | {"SAFETY_POLL_S": 60}
    clock = Clock(monkeypatch)
    await off_loop(write, "f", 10)
    async with Peer(olga) as peer:
        await peer.sub("f")
        heard = await peer.hear_until("hb")
        follower, tasks = reader.readers().of("f"), len(asyncio.all_tasks())
        for _ in range(A_DAY_AND_AN_HOUR_S // LEAP_S):
            clock.leap(LEAP_S)
            heard += await peer.hear_until("hb")
        assert {message["t"] for message in heard} == {"subok", "ev", "caught_up", "hb"}
        assert reader.readers().of("f") is follower
        assert len(asyncio.all_tasks()) == tasks
        await off_loop(write, "f", 10)
        await off_loop(livefeed.close, "f")
        heard += await peer.hear_until("end")
    await assert_is_log(events(heard), "f")


async def test_a_burst_whose_last_ring_is_lost_arrives_all_the_same(
    olga: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The safety poll as it is shipped finds the rest; then the head is stated for whoever missed more."""
    settings.LIVEFEED = settings.LIVEFEED | {
        "SAFETY_POLL_S": DEFAULTS["SAFETY_POLL_S"],
        "DATA_VERSION_POLL_S": 60,
    }
    await off_loop(write, "f", 10)
    async with Peer(olga) as peer:
        await peer.sub("f")
        heard = await peer.hear_until("hb")
        await off_loop(write, "f", 200)
        monkeypatch.setattr(doorbell(), "ring", lambda feed: None)
        await off_loop(write, "f", 1)
        async with asyncio.timeout(5):
            while heard[-1].get("to") != 211:
                heard += await peer.hear_until("ev")
        while heard[-1]["t"] != "hb" or heard[-1]["heads"] != {"1": 211}:
            heard += await peer.hear_until("hb")
    await assert_is_log(events(heard), "f")
