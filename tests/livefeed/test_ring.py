"""Where the log ends and a reader's ring begins: no cursor falls between them, and none is served twice."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

import livefeed
from livefeed import reader
from livefeed.log import FeedState
from livefeed.reader import FeedReader
from livefeed.session import Encoded
from tests.livefeed.oracle import write
from tests.livefeed.peer import Peer, assert_is_log, events, off_loop
from tests.waiting import aeventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bell")]

RING_FRAMES = 4
FRAME = 3  # events


@pytest.fixture(autouse=True)
def loaded(bell: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A ring of four frames, a frame a batch, a message a window. The answer: cursors served from the log."""
    settings.LIVEFEED = settings.LIVEFEED | {
        "RING_FRAMES": RING_FRAMES,
        "WINDOW_MIN_BYTES": 1,
        "WINDOW_MAX_BYTES": 1,
        "MESSAGES_BURST": 1000,  # many subscriptions in a short time
    }
    monkeypatch.setattr(reader, "BATCH_BYTES", 1)
    cursors: list[int] = []
    load = FeedReader.load

    async def noted(self: FeedReader, state: FeedState, after: int) -> list[Encoded]:
        cursors.append(after)
        return await load(self, state, after)

    monkeypatch.setattr(FeedReader, "load", noted)
    return cursors


async def write_frames(count: int) -> int:
    """Append so many frames and wait until the feed's reader has them all; the head."""
    await off_loop(write, "f", count * FRAME, per_append=FRAME)
    head: int = (await off_loop(livefeed.head, "f")).head
    await aeventually(lambda: reader.readers().of("f").cached(head - FRAME))  # the head is known before
    return head


async def hear_up_to(peer: Peer, head: int) -> list[dict[str, Any]]:
    """Messages up to the event with this number; each is acknowledged."""
    heard = await peer.hear_until("ev")
    while heard[-1]["to"] < head:
        heard += await peer.hear_until("ev")
    return heard


async def test_every_cursor_on_both_sides_of_the_seam_is_served_whole(olga: User, loaded: list[int]) -> None:
    await off_loop(write, "f", 6 * FRAME, per_append=FRAME)
    async with Peer(olga) as early, Peer(olga) as peer:
        await early.sub("f")
        epoch = (await early.hear_until("caught_up"))[0]["epoch"]
        head = await write_frames(RING_FRAMES + 2)
        await hear_up_to(early, head)  # which the ring has run past: it reads from the log, too
        for after in range(head):
            loaded.clear()
            await peer.sub("f", after, epoch, number=after + 1)
            heard = await peer.hear_until("caught_up")
            await assert_is_log(events(heard), "f", after)
            in_log = head - RING_FRAMES * FRAME - after
            within_a_frame = after % FRAME > 0
            assert len(loaded) == max(-(-in_log // FRAME), int(within_a_frame)), after
            await peer.say(t="unsub", id=after + 1)


async def test_a_client_that_the_ring_has_run_past_comes_back_to_it(olga: User, loaded: list[int]) -> None:
    await off_loop(write, "f", FRAME)
    async with Peer(olga) as peer:
        await peer.sub("f")
        heard = await peer.hear_until("caught_up")
        for missed in range(2 * RING_FRAMES):
            loaded.clear()
            cursor = await write_frames(1)
            while heard[-1].get("to") != cursor:
                heard.append(await peer.hear())  # not acknowledged: the window is shut
            head = await write_frames(missed)
            await peer.say(t="ack", id=1, seq=cursor)
            if missed:
                heard += await hear_up_to(peer, head)
            assert len(loaded) == max(0, missed - RING_FRAMES)
    await assert_is_log(events(heard), "f")
