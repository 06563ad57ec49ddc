"""A database that is slow for one feed delays nobody else: threads are held in it, and the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient
from pytest_django import Settings

import livefeed
from livefeed import reader, views
from livefeed.conf import option
from livefeed.log import FeedState
from tests.livefeed.barrier import Barrier
from tests.livefeed.oracle import write
from tests.livefeed.peer import Peer, assert_is_log, events, off_loop
from tests.waiting import aeventually

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("bell"),
    pytest.mark.urls("livefeed.urls"),
]

SLOW = "slow"


@pytest.fixture
def barrier(bell: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Barrier:
    """Holds whatever reads the frames of the feed SLOW, in whatever thread."""
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    barrier = Barrier()
    for module in (reader, views):
        monkeypatch.setattr(module, "stored_frames", slow(barrier, module.stored_frames))
    return barrier


def slow(barrier: Barrier, read: Callable[..., Any]) -> Callable[..., Any]:
    def held(state: FeedState, *args: Any) -> Any:
        if state.key == SLOW:
            barrier.hold()
        return read(state, *args)

    return held


async def page_of(feed: str, cookie: str) -> int:
    """How far the first history page goes."""
    browser = AsyncClient()
    browser.cookies.load(cookie)
    answer: Any = await browser.get(f"/livefeed/history?feed={feed}")
    return int(answer.json()["to"])


@asynccontextmanager
async def other_feeds_go_on(olga: User, cookie: str) -> AsyncIterator[None]:
    """What is done within does not keep others from the next line, a handshake, a sub, the past, a page."""
    await off_loop(write, "f", 10)
    async with Peer(olga) as early:
        await early.sub("f")
        heard = await early.hear_until("caught_up")
        yield
        await off_loop(write, "f", 10)
        heard += await early.hear_until("ev")
        await assert_is_log(events(heard), "f")
        async with Peer(cookie=cookie) as late:
            await late.sub("f")
            await assert_is_log(events(await late.hear_until("caught_up")), "f")
        assert await page_of("f", cookie) == 20


async def test_a_feed_whose_tail_cannot_be_read(olga: User, cookie: str, barrier: Barrier) -> None:
    await off_loop(write, SLOW, 10)
    async with Peer(olga) as victim:
        await victim.sub(SLOW, 10, (await off_loop(livefeed.head, SLOW)).epoch)
        heard = await victim.hear_until("caught_up")
        async with other_feeds_go_on(olga, cookie):
            await off_loop(write, SLOW, 10)
            await aeventually(barrier.reached.is_set)
        barrier.lift()
        heard += await victim.hear_until("ev")
    await assert_is_log(events(heard), SLOW, 10)


async def test_more_readers_of_a_feeds_past_than_there_are_threads(
    olga: User, cookie: str, barrier: Barrier
) -> None:
    await off_loop(write, SLOW, 10)
    async with AsyncExitStack() as stack:
        stack.callback(barrier.lift)
        victims = [await stack.enter_async_context(Peer(olga)) for _ in range(2 * option("PAGE_THREADS"))]
        async with other_feeds_go_on(olga, cookie):
            for victim in victims:
                await victim.sub(SLOW)
                assert (await victim.hear())["t"] == "subok"
            await aeventually(barrier.reached.is_set)
        barrier.lift()
        for victim in victims:
            await assert_is_log(events(await victim.hear_until("caught_up")), SLOW)


@pytest.mark.parametrize("point", ["first look", "past"])
async def test_the_other_feeds_of_the_same_socket(
    olga: User, barrier: Barrier, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    look = reader._look_at

    def held(key: str, *args: Any) -> Any:
        if key == SLOW:
            barrier.hold()
        return look(key, *args)

    if point == "first look":
        monkeypatch.setattr(reader, "_look_at", held)
    await off_loop(write, SLOW, 10)
    await off_loop(write, "f", 10)
    async with Peer(olga) as peer:
        await peer.sub(SLOW, number=1)
        await aeventually(barrier.reached.is_set)
        await peer.sub("f", number=2)
        heard = await peer.hear_until("caught_up")
        await off_loop(write, "f", 10)
        heard += await peer.hear_until("ev")
        await peer.say(t="ping", n=1)
        heard += await peer.hear_until("pong")
        await assert_is_log(events([message for message in heard if message.get("id") == 2]), "f")
        barrier.lift()
        heard += await peer.hear_until("caught_up")
    await assert_is_log(events([message for message in heard if message.get("id") == 1]), SLOW)


async def test_more_pages_of_a_feed_than_there_are_threads(olga: User, cookie: str, barrier: Barrier) -> None:
    await off_loop(write, SLOW, 10)
    async with other_feeds_go_on(olga, cookie):
        asked = [asyncio.create_task(page_of(SLOW, cookie)) for _ in range(2 * option("PAGE_THREADS"))]
        await aeventually(barrier.reached.is_set)
    barrier.lift()
    assert await asyncio.gather(*asked) == [10] * len(asked)
