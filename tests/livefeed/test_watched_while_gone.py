"""What those who watch are told when events, feeds or histories go: in process, with a bell and without."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from pytest_django import Settings

import livefeed
from livefeed import pages, reader, views
from tests.livefeed.barrier import Barrier
from tests.livefeed.oracle import write
from tests.livefeed.peer import Peer, assert_is_log, events, off_loop
from tests.waiting import aeventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bell")]


async def test_a_slow_cursor_below_what_is_pruned_is_told_and_goes_on(olga: User) -> None:
    """It acknowledges nothing, so the window is full somewhere in the middle of the feed."""
    await off_loop(write, "f", 3000, per_append=100)
    async with Peer(olga) as peer:
        await peer.sub("f")
        heard = [await peer.hear() for _ in range(4)]
        await off_loop(livefeed.prune, "f", before=2001)
        while heard[-1]["t"] != "reset":
            heard.append(await peer.hear())
        reset = heard.pop()
        assert (reset["reason"], reset["first"], reset["head"]) == ("pruned", 2001, 3000)
        before = events(heard)
        assert [seq for seq, _ in before.events] == list(range(1, len(before.events) + 1))
        assert len(before.events) < 2000
        await peer.sub("f", reset["first"] - 1, reset["epoch"], number=2)
        await assert_is_log(events(await peer.hear_until("caught_up")), "f", 2000)


async def test_who_has_what_is_pruned_notices_nothing(olga: User) -> None:
    await off_loop(write, "f", 300)
    async with Peer(olga) as peer:
        await peer.sub("f")
        heard = await peer.hear_until("caught_up")
        await off_loop(livefeed.prune, "f", keep=0)
        await off_loop(write, "f", 10)
        heard += await peer.hear_until("ev")
        assert "reset" not in {message["t"] for message in heard}
        assert events(heard).events[-1][0] == 310


@pytest.mark.parametrize("sleeping", [True, False], ids=["at the tail", "catching up"])
async def test_events_pruned_between_the_two_looks_of_a_read_are_told(
    olga: User, settings: Settings, monkeypatch: pytest.MonkeyPatch, sleeping: bool
) -> None:
    """The head has been read, the rows are about to be; the ring is too small to help."""
    settings.LIVEFEED = settings.LIVEFEED | {"RING_FRAMES": 1}
    await off_loop(write, "f", 500)
    barrier, real = Barrier(), pages.stored_frames
    async with Peer(olga) as peer:
        epoch = (await off_loop(livefeed.head, "f")).epoch
        if sleeping:
            await peer.sub("f", 500, epoch)
            await peer.hear_until("caught_up")
        monkeypatch.setattr(reader, "stored_frames", barrier.before(real))
        if sleeping:
            await off_loop(write, "f", 100)
        else:
            await peer.sub("f", 100, epoch)
        await aeventually(barrier.reached.is_set)
        monkeypatch.setattr(reader, "stored_frames", real)
        await off_loop(livefeed.prune, "f", before=551 if sleeping else 401)
        barrier.lift()
        reset = (await peer.hear_until("reset"))[-1]
        assert (reset["reason"], reset["first"]) == ("pruned", 551 if sleeping else 401)


def test_a_page_from_which_events_go_while_it_is_read_is_a_reset(
    olga: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ROOT_URLCONF = "livefeed.urls"
    write("f", 500)
    epoch, real = livefeed.head("f").epoch, pages.stored_frames

    def prune_first(*args: Any) -> Any:
        livefeed.prune("f", before=401)
        return real(*args)

    monkeypatch.setattr(views, "stored_frames", prune_first)
    browser = Client()
    browser.force_login(olga)
    answer = browser.get(f"/livefeed/history?feed=f&epoch={epoch}&after=100")
    assert answer.status_code == 409
    assert answer.json() == {"reset": {"reason": "pruned", "epoch": epoch, "first": 401, "head": 500}}
    rest = browser.get(f"/livefeed/history?feed=f&epoch={epoch}&after=400").json()
    assert (rest["prev"], rest["to"], rest["first"]) == (400, 500, 401)


def forget() -> None:
    livefeed.close("f")
    livefeed.delete("f")


async def first_word(peer: Peer) -> dict[str, Any]:
    """What comes after the events under way, none of which is acknowledged; a closing is no news here."""
    while (heard := await peer.hear())["t"] in {"ev", "hb", "end"}:
        continue
    return heard


@pytest.mark.parametrize("catching_up", [False, True])
async def test_a_deleted_feed_is_announced_and_the_socket_lives_on(olga: User, catching_up: bool) -> None:
    await off_loop(write, "f", 3000, per_append=100)
    await off_loop(write, "g", 10)
    async with Peer(olga) as peer:
        await peer.sub("g", number=2)
        await peer.hear_until("caught_up")
        await peer.sub("f")
        await peer.hear_until("subok" if catching_up else "caught_up")
        await off_loop(forget)
        said = await first_word(peer)
        if said["t"] == "reset":  # its events go first, and somebody looked in between
            assert (catching_up, said["reason"]) == (True, "pruned")
            await peer.sub("f", said["first"] - 1, said["epoch"], number=3)
            said = await first_word(peer)
        assert (said["t"], said["code"]) == ("err", "not_found")
        await off_loop(write, "g", 10)
        assert (await peer.hear_until("ev"))[-1]["id"] == 2


async def test_a_feed_that_was_deleted_and_made_anew_is_another_one(olga: User) -> None:
    """In one transaction, so that no look finds it missing."""

    def replace() -> None:
        with transaction.atomic():
            forget()
            write("f", 50)

    await off_loop(write, "f", 30)
    async with Peer(olga) as peer:
        await peer.sub("f")
        await peer.hear_until("caught_up")
        await off_loop(replace)
        reset = (await peer.hear_until("reset"))[-1]
        assert (reset["reason"], reset["first"], reset["head"]) == ("epoch", 1, 50)


@pytest.mark.parametrize("rotate", [livefeed.rotate_epoch, partial(livefeed.rotate_epoch, "f")])
async def test_a_rotated_epoch_is_told_at_once(olga: User, rotate: Callable[[], str]) -> None:
    await off_loop(write, "f", 20)
    await off_loop(write, "g", 20)
    async with Peer(olga) as peer:
        for number, feed in enumerate("fg", 1):
            await peer.sub(feed, number=number)
            await peer.hear_until("caught_up")
        epoch = await off_loop(rotate)
        reset = (await peer.hear_until("reset"))[-1]
        assert (reset["reason"], reset["head"]) == ("epoch", 20)
        assert epoch in reset["epoch"]
        if rotate is livefeed.rotate_epoch:
            assert {reset["id"], (await peer.hear_until("reset"))[-1]["id"]} == {1, 2}


@pytest.mark.parametrize(
    ("act", "answer"),
    [
        (livefeed.rotate_epoch, {"epoch"}),
        (partial(livefeed.rotate_epoch, "f"), {"epoch"}),
        (partial(livefeed.prune, "f", keep=0), {"pruned"}),
        (forget, {"pruned", "not_found"}),  # depends on how far it was when somebody looked
    ],
    ids=["installation", "feed", "prune", "delete"],
)
async def test_each_of_these_rings(
    olga: User, settings: Settings, act: Callable[[], Any], answer: set[str]
) -> None:
    """Nobody looks by himself within this test; the cursor is slow, so that what goes is missed."""
    memory = "livefeed.doorbells.memory.MemoryDoorbell"
    settings.LIVEFEED = settings.LIVEFEED | {"DOORBELL": memory, "SAFETY_POLL_S": 60}
    await off_loop(write, "f", 3000, per_append=100)
    async with Peer(olga) as peer:
        await peer.sub("f")
        await peer.hear()
        await off_loop(act)
        said = await first_word(peer)
        assert said.get("reason", said.get("code")) in answer
