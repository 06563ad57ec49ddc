"""A subscription at the worst moments of an append: threads are held there, and nothing is missed."""

from __future__ import annotations

import asyncio

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

import livefeed
from livefeed import reader
from livefeed.doorbell import doorbell
from tests.livefeed.barrier import Barrier
from tests.livefeed.oracle import write
from tests.livefeed.peer import Peer, assert_is_log, events, off_loop
from tests.waiting import aeventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bell")]


@pytest.fixture(autouse=True)
def unrescued(bell: str, settings: Settings) -> None:
    """Where there is a bell, no poll comes to the rescue of a waiter that was not woken."""
    if bell != "muted":
        settings.LIVEFEED = settings.LIVEFEED | {"SAFETY_POLL_S": 60, "DATA_VERSION_POLL_S": 60}


async def test_a_subscription_between_the_commit_and_the_ring_misses_nothing(
    olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await off_loop(write, "f", 10)
    barrier = Barrier()
    monkeypatch.setattr(doorbell(), "ring", barrier.before(doorbell().ring))
    appending = asyncio.create_task(off_loop(write, "f", 10))
    await aeventually(barrier.reached.is_set)
    async with Peer(olga) as peer:
        await peer.sub("f")
        heard = await peer.hear_until("caught_up")
        assert heard[-1]["seq"] == 20
        barrier.lift()
        await appending
        await off_loop(livefeed.close, "f")
        heard += await peer.hear_until("end")
    await assert_is_log(events(heard), "f")


async def test_a_subscription_between_the_ring_and_the_read_misses_nothing(
    olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await off_loop(write, "f", 10)
    barrier, look = Barrier(), reader._look_at
    async with Peer(olga) as early, Peer(olga) as late:
        await early.sub("f")
        heard_early = await early.hear_until("caught_up")
        monkeypatch.setattr(reader, "_look_at", barrier.before(look))
        await off_loop(write, "f", 10)  # rings; with the bell muted the safety poll comes to look
        await aeventually(barrier.reached.is_set)
        await late.sub("f", 10, heard_early[0]["epoch"])
        await late.say(t="ping", n=1)
        monkeypatch.setattr(reader, "_look_at", look)
        barrier.lift()
        heard_late = await late.hear_until("ev")
        heard_early += await early.hear_until("ev")
    await assert_is_log(events(heard_late), "f", 10)
    await assert_is_log(events(heard_early), "f")


@pytest.mark.parametrize("side", ["before", "after"])
async def test_an_append_while_a_subscription_reads_the_head_is_not_missed(
    olga: User, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    """The waiter is registered, the head is about to be read or just was: then somebody appends and rings."""
    await off_loop(write, "f", 10)
    barrier, look = Barrier(), reader._look_at
    monkeypatch.setattr(reader, "_look_at", getattr(barrier, side)(look))
    async with Peer(olga) as peer:
        await peer.sub("f")
        await aeventually(barrier.reached.is_set)
        await off_loop(write, "f", 10)
        await off_loop(livefeed.close, "f")
        monkeypatch.setattr(reader, "_look_at", look)
        barrier.lift()
        heard = await peer.hear_until("end")
        assert heard[-1]["seq"] == 20
    await assert_is_log(events(heard), "f")
