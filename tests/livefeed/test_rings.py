"""A ring may be lost, doubled, late, out of order, for nothing: no line depends on it."""

from __future__ import annotations

import asyncio
import random

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from pytest_django import Settings
from typing_extensions import override

import livefeed
from livefeed import reader
from livefeed.doorbell import doorbell
from livefeed.doorbells.sqlite import SqliteDoorbell
from tests.livefeed.oracle import write
from tests.livefeed.peer import Peer, assert_is_log, events, off_loop
from tests.livefeed.serving import LIVEFEED
from tests.livefeed.watched import Gauge

pytestmark = pytest.mark.django_db(transaction=True)

NEVER_S = 3600
FEEDS = ("f", "g")


# -- bells that are out of order -------------------------------------------------------------------------


class Faulty(SqliteDoorbell):
    """The shipped bell, but that what it hears, of this process and of others, goes through `arriving`."""

    def __init__(self) -> None:
        super().__init__()
        self.dice = random.Random(26)
        self.kept: list[str | None] = []
        self.rung: list[str | None] = []
        self.arrived: list[str | None] = []

    def arriving(self, feed: str | None) -> list[str | None]:
        """What arrives now, if this ring is sent now."""
        raise NotImplementedError

    @override
    def wake_all(self, feed: str | None) -> None:
        self.rung.append(feed)
        for each in self.arriving(feed):
            self.pass_on(each)

    def pass_on(self, feed: str | None) -> None:
        """This ring arrives."""
        self.arrived.append(feed)
        super().wake_all(feed)


class Lost(Faulty):
    @override
    def arriving(self, feed: str | None) -> list[str | None]:
        return []


class HalfLost(Faulty):
    @override
    def arriving(self, feed: str | None) -> list[str | None]:
        return [feed] if self.dice.random() < 0.5 else []


class Tenfold(Faulty):
    @override
    def arriving(self, feed: str | None) -> list[str | None]:
        return [feed] * 10


class OutOfOrder(Faulty):
    @override
    def arriving(self, feed: str | None) -> list[str | None]:
        self.kept.append(feed)
        if len(self.kept) < 5:
            return []
        kept, self.kept = self.kept[::-1], []
        return kept


class Late(Faulty):
    """Everything comes when all is over."""

    @override
    def arriving(self, feed: str | None) -> list[str | None]:
        self.kept.append(feed)
        return []


class ForNothing(Faulty):
    """Every ring is of a feed that has not grown, or of one that does not exist, and of all of them."""

    @override
    def arriving(self, feed: str | None) -> list[str | None]:
        return [{"f": "g", "g": "f"}.get(feed or "", feed), "nobody's", "", None]


@pytest.mark.parametrize("kind", [Lost, HalfLost, Tenfold, OutOfOrder, Late, ForNothing])
async def test_a_bell_that_is_out_of_order_costs_no_line(
    olga: User, settings: Settings, kind: type[Faulty]
) -> None:
    settings.LIVEFEED = LIVEFEED | {"DOORBELL": f"{__name__}.{kind.__name__}"}
    bell = doorbell()
    assert isinstance(bell, kind)

    def produce(feed: str) -> None:
        write(feed, 300, per_append=5)
        livefeed.close(feed)

    for feed in FEEDS:
        await off_loop(write, feed, 5)
    async with Peer(olga) as peer:
        for number, feed in enumerate(FEEDS):
            await peer.sub(feed, number=number)
        producing = [asyncio.create_task(off_loop(produce, feed)) for feed in FEEDS]
        heard = await peer.hear_until("end") + await peer.hear_until("end")
        await asyncio.gather(*producing)
        assert bell.arrived != bell.rung
        for late in bell.kept:
            bell.pass_on(late)
        await peer.say(t="ping", n=1)
        heard += await peer.hear_until("pong")
    for number, feed in enumerate(FEEDS):
        await assert_is_log(events([message for message in heard if message.get("id") == number]), feed)


# -- a ring for what was rolled back ---------------------------------------------------------------------


async def test_a_ring_before_a_roll_back_brings_no_phantom_and_no_busy_loop(
    olga: User, bell: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mistake that `ring_after_commit` is there to prevent."""
    if bell != "muted":
        settings.LIVEFEED = settings.LIVEFEED | {"SAFETY_POLL_S": NEVER_S, "DATA_VERSION_POLL_S": NEVER_S}
    looks = Gauge()
    monkeypatch.setattr(reader, "_look_at", looks.of(reader._look_at))
    rolled_back = 20

    async with Peer(olga) as peer:
        await off_loop(write, "f", 10)
        await peer.sub("f")
        heard = await peer.hear_until("hb")
        before = looks.calls
        for n in range(rolled_back):
            await off_loop(_ring_and_roll_back)
            await peer.say(t="ping", n=n)
            heard += await peer.hear_until("pong")
        if bell != "muted":
            assert before < looks.calls <= before + rolled_back
        await off_loop(write, "f", 10)
        await off_loop(livefeed.close, "f")
        heard += await peer.hear_until("end")
    assert heard[-1]["seq"] == 20
    await assert_is_log(events(heard), "f")


def _ring_and_roll_back() -> None:
    with transaction.atomic():
        livefeed.append("f", [livefeed.Chunk("t", "line", ["a phantom"])])
        doorbell().ring("f")
        transaction.set_rollback(True)
