"""The long poll in process: what it waits for and what it answers, with a doorbell and without one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pytest_django import Settings

import livefeed
from livefeed import reader
from livefeed.models import Feed
from tests.livefeed.oracle import Applied, write
from tests.livefeed.peer import assert_is_log, events, off_loop
from tests.livefeed.test_http_limits import stands
from tests.livefeed.test_silence import Clock
from tests.livefeed.test_streams import shrink
from tests.livefeed.visit import Visit, nobody_watches, poll, sub
from tests.waiting import aeventually

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("project"),
    pytest.mark.urls("livefeed.urls"),
]


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["t"] for message in messages]


async def epoch_of(feed: str) -> str:
    epoch: str = (await off_loop(livefeed.head, feed)).epoch
    return epoch


async def test_what_is_there_is_answered_at_once_and_whole(cookie: str) -> None:
    await off_loop(write, "f", 35)
    await off_loop(livefeed.close, "f")
    heard = await poll(cookie, feed="f")
    assert (kinds(heard)[:3], kinds(heard)[-2:]) == (["welcome", "subok", "ev"], ["caught_up", "end"])
    await assert_is_log(events(heard), "f")
    await aeventually(nobody_watches)


async def test_a_poll_waits_for_news(cookie: str) -> None:
    await off_loop(write, "f", 3)
    at = sub(1, "f", 3, await epoch_of("f"))
    async with Visit(cookie, at, accept="application/json") as visit:
        await aeventually(lambda: not nobody_watches())
        assert await visit.silent()
        await off_loop(write, "f", 1)
        heard = json.loads(await visit.body())["m"]
    assert sorted(kinds(heard)) == ["caught_up", "ev", "subok", "welcome"]


async def test_without_news_a_poll_says_how_things_stand_when_the_wait_is_over(
    cookie: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await off_loop(write, "f", 3)
    at: dict[str, Any] = {"feed": "f", "after": 3, "epoch": await epoch_of("f")}
    assert kinds(await poll(cookie, wait=0, **at)) == ["welcome", "subok", "caught_up"]
    wait_s = 10  # before the first heartbeat is due
    shrink(settings, POLL_WAIT_S=wait_s)
    clock = Clock(monkeypatch)
    for query in (at | {"wait": 1000}, at):
        async with Visit(cookie, accept="application/json", **query) as visit:
            await aeventually(stands)  # the wait bounds the opening as well
            clock.leap(wait_s)
            heard = json.loads(await visit.body())["m"]
        assert kinds(heard) == ["welcome", "subok", "caught_up"]


async def test_an_end_is_news_until_the_client_says_that_it_knows(cookie: str) -> None:
    await off_loop(write, "f", 3)
    await off_loop(livefeed.close, "f")
    epoch = await epoch_of("f")
    at: dict[str, Any] = {"feed": "f", "after": 3, "epoch": epoch}
    whole = ["welcome", "subok", "caught_up", "end"]
    assert kinds(await poll(cookie, **at)) == whole
    assert kinds(await poll(cookie, sub(1, "f", 3, epoch))) == whole
    async with (
        Visit(cookie, accept="application/json", ended=1, **at) as short,
        Visit(cookie, sub(1, "f", 3, epoch, ended=True), accept="application/json") as long,
    ):
        await aeventually(lambda: not nobody_watches())
        assert await short.silent()
        assert await long.silent()
        await off_loop(livefeed.reopen, "f")
        await off_loop(write, "f", 1)
        for visit in (short, long):
            assert "ev" in kinds(json.loads(await visit.body())["m"])


async def test_one_poll_brings_only_so_much_and_the_next_ones_the_rest(
    cookie: str, settings: Settings
) -> None:
    shrink(settings, POLL_BYTES=20_000)
    await off_loop(write, "f", 2000, per_append=100)
    applied, epoch, seq, polls = Applied(), None, 0, 0
    while seq < 2000:
        heard = await poll(cookie, sub(1, "f", seq, epoch))
        assert len(json.dumps(heard)) < 20_000 + 32 * 1024
        for message in heard:
            if message["t"] == "ev":
                applied.add_groups(message["g"])
                epoch, seq, polls = heard[1]["epoch"], message["to"], polls + 1
    assert polls > 3
    await assert_is_log(applied, "f")


async def test_a_busy_feed_does_not_keep_a_quiet_one_from_its_answer(cookie: str) -> None:
    await off_loop(write, "busy", 4000, per_append=100)
    await off_loop(write, "quiet", 2)
    heard = await poll(cookie, sub(1, "busy"), sub(2, "quiet"), sub(3, "absent"))
    assert {(each["t"], each["id"]) for each in heard if "id" in each} >= {
        ("subok", 1), ("ev", 1), ("subok", 2), ("ev", 2), ("caught_up", 2), ("err", 3)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("after", "foreign", "first", "reason"),
    [(3, True, 1, "epoch"), (11, False, 1, "ahead"), (4, False, 6, "pruned"), (1, False, 1, "too_far")],
)
async def test_a_cursor_that_is_not_good_is_reset(
    cookie: str, settings: Settings, after: int, foreign: bool, first: int, reason: str
) -> None:
    shrink(settings, TOO_FAR_EVENTS=8)
    await off_loop(write, "f", 10)
    await off_loop(Feed.objects.update, first=first)
    current = await epoch_of("f")
    heard = await poll(cookie, feed="f", after=after, epoch="foreign" if foreign else current)
    reset = {"t": "reset", "id": 1, "reason": reason, "epoch": current, "first": first, "head": 10}
    assert heard[1:] == [reset]


async def test_where_a_socket_would_close_a_poll_ends_with_bye(
    cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [each.get("code") for each in await poll(cookie, feed="secret")] == [None, "forbidden", 4503]
    await off_loop(write, "f", 3)
    monkeypatch.setattr(reader, "_look_at", lambda *_: 1 / 0)
    assert (await poll(cookie, feed="f"))[-1] == {"t": "bye", "code": 4008}


async def test_a_client_that_goes_while_it_waits_leaves_nothing_behind(cookie: str) -> None:
    await off_loop(write, "f", 3)
    async with Visit(
        cookie, accept="application/json", feed="f", after=3, epoch=await epoch_of("f")
    ) as visit:
        await aeventually(lambda: not nobody_watches())
        assert await visit.silent()
    await aeventually(nobody_watches)


async def test_many_polls_at_once_are_each_answered(cookie: str) -> None:
    await off_loop(write, "f", 3)
    at = sub(1, "f", 3, await epoch_of("f"))
    waiting = [asyncio.create_task(poll(cookie, at)) for _ in range(20)]
    await aeventually(lambda: not nobody_watches())
    await off_loop(write, "f", 1)
    for answer in waiting:
        assert "ev" in kinds(await answer)
