"""The figures say what has happened, and cost nobody who reads them a wait."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from django.contrib.auth.models import AnonymousUser, User
from pytest_django import Settings

from livefeed import connections, reader
from livefeed.metrics import Snapshot, snapshot
from livefeed.models import Feed
from tests.livefeed.oracle import write
from tests.livefeed.peer import Peer, off_loop
from tests.livefeed.serving import LIVEFEED, MIDDLEWARE
from tests.livefeed.visit import Visit
from tests.waiting import aeventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("livefeed.urls")]

RINGS = "livefeed.doorbells.memory.MemoryDoorbell"
MUTED = "livefeed.doorbells.muted.MutedDoorbell"


@pytest.fixture(autouse=True)
def project(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A doorbell that rings, a safety poll that does not come in a test's time, and no loop but this one."""
    for module in (connections, reader):
        monkeypatch.setattr(module, "_by_loop", WeakKeyDictionary())
    settings.LIVEFEED = LIVEFEED | {"DOORBELL": RINGS, "SAFETY_POLL_S": 3600}
    settings.MIDDLEWARE = MIDDLEWARE
    return settings


async def now() -> Snapshot:
    """As a page sees it: from another thread."""
    return await asyncio.to_thread(snapshot)


async def test_connections_subscriptions_and_what_was_sent_are_counted(olga: User, cookie: str) -> None:
    await off_loop(write, "f", 35)
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(Peer(olga)) for _ in range(2)]
        heard: list[dict[str, Any]] = []
        for peer in peers:
            await peer.sub("f")
            heard += await peer.hear_until("caught_up")
        visit = await stack.enter_async_context(Visit(cookie, feed="f"))
        heard += await visit.hear_until("caught_up")
        texts = [json.dumps(message["g"], separators=(",", ":")) for message in heard if message["t"] == "ev"]
        seen = await now()
        assert seen.connections == {"socket": 2, "stream": 1}
        assert (seen.subscriptions, seen.readers, seen.messages) == (3, 1, len(texts))
        assert 0 <= seen.bytes - sum(map(len, texts)) <= 40 * len(texts)
        assert seen.since_ms is not None
    left = snapshot()
    assert (left.connections, left.messages, left.bytes) == ({}, seen.messages, seen.bytes)


async def test_the_greatest_lag_is_that_of_whoever_acknowledges_least(olga: User) -> None:
    await off_loop(write, "f", 30)
    async with Peer(olga) as diligent, Peer(olga) as lazy:
        await diligent.sub("f")
        await diligent.hear_until("caught_up")
        await lazy.sub("f")
        while (await lazy.hear())["t"] != "caught_up":
            pass
        assert (await now()).lag == 30
        await lazy.say(t="ack", id=1, seq=20)
        await aeventually(lambda: snapshot().lag == 10)
        await lazy.say(t="ack", id=1, seq=30)
        await aeventually(lambda: snapshot().lag == 0)


async def test_ends_are_counted_by_their_code_whoever_said_it(olga: User) -> None:
    async with Peer(olga) as peer:
        await peer.say(t="launch")
        assert await peer.close_code() == 4500
    async with Peer(olga, subprotocols=("console.v0",), greet=False) as peer:
        assert await peer.close_code() == 4506
    async with Peer(AnonymousUser(), greet=False) as peer:
        assert await peer.close_code() == 4501
    async with Peer(olga):
        pass  # the peer leaves with 1005
    assert snapshot().closes == {1005: 1, 4500: 1, 4501: 1, 4506: 1}


async def test_resets_are_counted_by_their_reason(olga: User) -> None:
    await off_loop(write, "f", 5)
    async with Peer(olga) as peer:
        for epoch, after in (("foreign", 1), ("foreign", 2)):
            await peer.sub("f", after, epoch)
            await peer.hear_until("reset")
        await off_loop(Feed.objects.update, first=3)
        await peer.sub("f", 0)
        assert (await peer.hear_until("reset"))[-1]["reason"] == "pruned"
    assert snapshot().resets == {"epoch": 2, "pruned": 1}


async def test_whoever_found_no_place_is_counted_by_the_limit(olga: User, settings: Settings) -> None:
    here: dict[str, Any] = {"client": ("198.51.100.7", 1)}
    async with Peer(olga, **here):
        for name, code in (("MAX_PER_USER", 4013), ("MAX_PER_ADDRESS", 4013), ("MAX_CONNECTIONS", 1013)):
            before, settings.LIVEFEED = settings.LIVEFEED, settings.LIVEFEED | {name: 1}
            async with Peer(olga, greet=False, **here) as peer:
                assert await peer.close_code() == code
            settings.LIVEFEED = before
    assert snapshot().refused == {"user": 1, "address": 1, "process": 1}
    assert snapshot().closes == {1005: 1}


async def test_what_nobody_rang_for_is_a_miss(olga: User, settings: Settings) -> None:
    await off_loop(write, "f", 5)
    async with Peer(olga) as peer:
        await peer.sub("f")
        await peer.hear_until("caught_up")
        await off_loop(write, "f", 10)
        while (await peer.hear_until("ev"))[-1]["to"] != 15:
            pass
        assert snapshot().bell_misses == 0
    settings.LIVEFEED = settings.LIVEFEED | {"DOORBELL": MUTED, "SAFETY_POLL_S": 0.02}
    async with Peer(olga) as peer:
        await off_loop(write, "g", 5)
        await peer.sub("g")
        await peer.hear_until("caught_up")
        await off_loop(write, "g", 10)
        while (await peer.hear_until("ev"))[-1]["to"] != 15:
            pass
        await aeventually(lambda: snapshot().bell_misses == 10)


async def test_a_reader_that_failed_is_counted(olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
    await off_loop(write, "f", 5)
    async with Peer(olga) as peer:
        await peer.sub("f")
        await peer.hear_until("caught_up")
        monkeypatch.setattr(reader, "_look_at", lambda *_: 1 / 0)
        await off_loop(write, "f", 1)
        assert await peer.close_code() == 4008
    assert snapshot().reader_failures == 1
    assert snapshot().closes == {4008: 1}
