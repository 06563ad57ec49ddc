"""The socket in process: what is said and heard, with a doorbell and without one."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from pytest_django import Settings

import livefeed
from livefeed import reader
from livefeed.frames import EVENT_BYTES
from livefeed.models import Frame
from tests.livefeed.oracle import lines, write
from tests.livefeed.peer import Peer, assert_is_log, events, off_loop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bell")]


async def test_a_reader_gets_the_past_then_the_present_then_the_end(olga: User) -> None:
    await off_loop(write, "f", 35)
    async with Peer(olga) as peer:
        await peer.sub("f")
        heard = await peer.hear_until("caught_up")
        assert heard[0]["t"] == "subok"
        assert (heard[0]["first"], heard[0]["head"], heard[0]["after"]) == (1, 35, 0)
        assert heard[-1]["seq"] == 35
        await off_loop(write, "f", 12)
        await off_loop(livefeed.close, "f")
        heard += await peer.hear_until("end")
        assert heard[-1]["seq"] == 47
        await off_loop(livefeed.reopen, "f")
        await off_loop(write, "f", 3)
        await off_loop(livefeed.close, "f")
        heard += await peer.hear_until("end")
        assert heard[-1]["seq"] == 50
    await assert_is_log(events(heard), "f")


async def test_a_late_reader_of_a_finished_feed_is_told_its_end_at_once(olga: User) -> None:
    def finish() -> str:
        with transaction.atomic():
            write("f", 4)
            livefeed.close("f")
        return livefeed.head("f").epoch

    epoch = await off_loop(finish)
    async with Peer(olga) as peer:
        await peer.sub("f", 4, epoch)
        assert [message["t"] for message in await peer.hear_until("end")] == ["subok", "caught_up", "end"]


@pytest.mark.parametrize(
    ("after", "answer"),
    [
        (0, "subok"),
        (19, "subok"),
        (20, "subok"),
        (7, "subok"),
        (21, "ahead"),
        (2**63, "ahead"),
        (-1, "bad"),
        ("5", "bad"),
        (1.5, "bad"),
        (None, "bad"),
        (True, "bad"),
    ],
)
async def test_each_cursor_is_served_or_answered(olga: User, after: Any, answer: str) -> None:
    await off_loop(write, "f", 20)
    epoch = (await off_loop(livefeed.head, "f")).epoch
    async with Peer(olga) as peer:
        await peer.sub("f", after, epoch)
        first = await peer.hear()
        assert answer in {first["t"], first.get("reason"), first.get("code")}
        if answer == "subok":
            await assert_is_log(events(await peer.hear_until("caught_up")), "f", after)
        if answer == "ahead":
            assert (first["epoch"], first["first"], first["head"]) == (epoch, 1, 20)


async def test_a_cursor_before_the_oldest_event_kept_is_told_that_they_are_pruned(
    olga: User,
) -> None:
    def prune() -> str:
        write("f", 30)
        livefeed.prune("f", before=11)
        return livefeed.head("f").epoch

    epoch = await off_loop(prune)
    async with Peer(olga) as peer:
        await peer.sub("f", 9, epoch)
        assert (await peer.hear())["reason"] == "pruned"
        await peer.sub("f", 10, epoch)
        await assert_is_log(events(await peer.hear_until("caught_up")), "f", 10)


async def test_a_foreign_epoch_is_reset_before_any_event(olga: User) -> None:
    await off_loop(write, "f", 20)
    async with Peer(olga) as peer:
        await peer.sub("f", 7, "another")
        reset = await peer.hear()
        assert (reset["t"], reset["reason"]) == ("reset", "epoch")
        await peer.sub("f", 0, reset["epoch"])
        await assert_is_log(events(await peer.hear_until("caught_up")), "f")


async def test_a_restored_installation_resets_who_is_watching(olga: User) -> None:
    await off_loop(write, "f", 20)
    async with Peer(olga) as peer:
        await peer.sub("f")
        await peer.hear_until("caught_up")
        await off_loop(livefeed.rotate_epoch)
        assert (await peer.hear_until("reset"))[-1]["reason"] == "epoch"


async def test_far_behind_is_referred_to_history(olga: User, settings: Settings) -> None:
    settings.LIVEFEED = settings.LIVEFEED | {"TOO_FAR_EVENTS": 50}
    await off_loop(write, "f", 51)
    async with Peer(olga) as peer:
        await peer.sub("f")
        assert (await peer.hear())["reason"] == "too_far"
        await peer.sub("f", 1, (await off_loop(livefeed.head, "f")).epoch)
        await peer.hear_until("caught_up")


async def test_acks_that_lie_harm_nobody(olga: User) -> None:
    await off_loop(write, "f", 20)
    async with Peer(olga) as peer:
        await peer.sub("f")
        for seq in (2**63, 5, -1, 20):
            await peer.say(t="ack", id=1, seq=seq)
        await peer.say(t="ack", id=77, seq=1)
        heard = await peer.hear_until("caught_up")
        await off_loop(write, "f", 5)
        heard += await peer.hear_until("ev")
    await assert_is_log(events(heard), "f")


async def test_an_ack_that_was_lost_does_not_repeat_anything(olga: User) -> None:
    await off_loop(write, "f", 20)
    async with Peer(olga) as peer:
        await peer.sub("f")
        heard = [await peer.hear() for _ in range(4)]  # subok, two events, caught_up: none acknowledged
    applied = events(heard)
    await off_loop(write, "f", 20)
    async with Peer(olga) as peer:
        await peer.sub("f", applied.events[-1][0], heard[0]["epoch"])
        applied.events += events(await peer.hear_until("caught_up")).events
    await assert_is_log(applied, "f")


async def test_a_page_newer_than_the_readers_last_look_is_not_ahead(olga: User, settings: Settings) -> None:
    """The reader sleeps, nobody rings, and a client comes with a cursor from a page rendered just now."""
    settings.LIVEFEED = settings.LIVEFEED | {
        "SAFETY_POLL_S": 60,
        "DOORBELL": "livefeed.doorbells.muted.MutedDoorbell",
    }
    await off_loop(write, "f", 10)
    async with Peer(olga) as early, Peer(olga) as late:
        await early.sub("f")
        await early.hear_until("caught_up")
        await off_loop(write, "f", 10)
        await late.sub("f", 20, (await off_loop(livefeed.head, "f")).epoch)
        assert (await late.hear())["t"] == "subok"
        assert (await early.hear_until("ev"))[-1]["to"] == 20


async def test_a_single_event_a_full_frame_and_the_largest_event_arrive(olga: User) -> None:
    def store() -> None:
        for items in (["one"], lines(2, 1000), ["\x01" * (EVENT_BYTES // 6 - 1)]):
            livefeed.append("f", [livefeed.Chunk("t", "line", items)])

    await off_loop(store)
    async with Peer(olga) as peer:
        await peer.sub("f")
        await assert_is_log(events(await peer.hear_until("caught_up")), "f")


async def test_a_line_in_pieces_is_joined_across_a_reconnect(olga: User) -> None:
    def piece(kind: str, text: str) -> None:
        livefeed.append("f", [livefeed.Chunk("t", kind, [text], origin="o")])

    await off_loop(piece, "cont", "half a li")
    async with Peer(olga) as peer:
        await peer.sub("f")
        heard = await peer.hear_until("caught_up")
    await off_loop(piece, "cont", "ne and the re")
    await off_loop(piece, "line", "st")
    async with Peer(olga) as peer:
        await peer.sub("f", 1, heard[0]["epoch"])
        heard += await peer.hear_until("caught_up")
    groups = [group for message in heard if message["t"] == "ev" for group in message["g"]]
    assert "".join(group[5][0] for group in groups) == "half a line and the rest"
    assert [group[1] for group in groups] == ["cont", "cont", "line"]


async def test_a_clock_that_jumps_changes_no_order(olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
    hour = 3_600_000
    async with Peer(olga) as peer:
        await off_loop(write, "f", 1)
        await peer.sub("f")
        heard = await peer.hear_until("caught_up")
        for head, jump in ((11, -hour), (21, hour), (31, -hour)):
            monkeypatch.setattr("time.time_ns", lambda jump=jump: (1_763_900_000_000 + jump) * 1_000_000)
            await off_loop(write, "f", 10, per_append=5)
            while heard[-1]["t"] != "hb" or heard[-1]["heads"] != {"1": head}:  # one may come between appends
                heard += await peer.hear_until("hb")
            assert heard[-1]["now"] == 1_763_900_000_000 + jump
    await assert_is_log(events(heard), "f")


@pytest.mark.parametrize(
    "body", [b"no zlib", zlib.compress(b'[["t","line",null,1,1,["\xff"]]]')], ids=["no zlib", "no utf-8"]
)
async def test_poison_in_one_feed_does_not_stop_the_others(olga: User, body: bytes) -> None:
    odd = ["\0", "\ud800", "\udcff\udcfe", "x" * 100_000]

    def poison() -> None:
        livefeed.append("odd", [livefeed.Chunk("t", "line", odd)])
        with pytest.raises(ValueError, match="bytes"):
            livefeed.append("odd", [livefeed.Chunk("t", "line", ["x" * 10_000_000])])
        write("damaged", 10)
        Frame.objects.filter(feed__key="damaged").update(body=body)
        write("fine", 10)

    await off_loop(poison)
    async with Peer(olga) as victim, Peer(olga) as peer:
        await victim.sub("damaged")
        await peer.sub("odd", number=1)
        heard = await peer.hear_until("caught_up")
        await peer.sub("fine", number=2)
        fine = await peer.hear_until("caught_up")
        assert await victim.close_code() == 4008
        await off_loop(write, "fine", 10)
        fine += await peer.hear_until("ev")
    assert [data for _, data in events(heard).events] == odd
    await assert_is_log(events(heard), "odd")
    await assert_is_log(events([message for message in fine if message.get("id") == 2]), "fine")


async def test_a_failed_reader_takes_its_sockets_along_and_the_next_one_is_fresh(
    olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await off_loop(write, "f", 10)
    await off_loop(write, "g", 10)
    look = reader._look_at
    async with Peer(olga) as peer, Peer(olga) as other:
        await other.sub("g")
        await other.hear_until("caught_up")
        await peer.sub("f")
        await peer.hear_until("caught_up")

        def crash(key: str, *args: Any) -> Any:
            if key == "f":
                raise OSError("disk on fire")
            return look(key, *args)

        monkeypatch.setattr(reader, "_look_at", crash)
        await off_loop(write, "f", 1)
        assert await peer.close_code() == 4008
        await off_loop(write, "g", 1)
        assert (await other.hear_until("ev"))[-1]["to"] == 11
        monkeypatch.setattr(reader, "_look_at", look)
    async with Peer(olga) as peer:
        await peer.sub("f")
        await assert_is_log(events(await peer.hear_until("caught_up")), "f")


async def test_several_feeds_share_a_socket_and_one_can_be_left(olga: User) -> None:
    await off_loop(write, "f", 10)
    await off_loop(write, "g", 10)
    async with Peer(olga) as peer:
        await peer.sub("f", number=1)
        heard = await peer.hear_until("caught_up")
        await peer.sub("g", number=2)
        heard += await peer.hear_until("caught_up")
        await peer.say(t="unsub", id=1)
        await peer.say(t="ping", n=7)
        await peer.hear_until("pong")
        await off_loop(write, "f", 10)
        await off_loop(write, "g", 10)
        heard += await peer.hear_until("ev")
    await assert_is_log(events([message for message in heard if message.get("id") == 2]), "g")
    assert events([message for message in heard if message.get("id") == 1]).events[-1][0] == 10


async def test_a_heartbeat_states_the_heads_once_the_tail_goes_quiet(olga: User) -> None:
    await off_loop(write, "f", 10)
    async with Peer(olga) as peer:
        await peer.sub("f", number=5)
        assert (await peer.hear_until("hb"))[-1]["heads"] == {"5": 10}
