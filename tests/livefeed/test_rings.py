"""A ring may be lost, doubled, late, out of order, for nothing, from anywhere: no line depends on it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings
from typing_extensions import override

import livefeed
from livefeed import reader
from livefeed.doorbell import doorbell
from livefeed.doorbells.sqlite import SqliteDoorbell
from tests.livefeed.conftest import DOORBELLS
from tests.livefeed.oracle import write
from tests.livefeed.peer import Peer, assert_is_log, events, off_loop
from tests.livefeed.serving import LIVEFEED, ROOT, environment
from tests.livefeed.test_doorbells import APPEND, SET_UP
from tests.livefeed.watched import Gauge

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]

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


# -- a ring from anywhere --------------------------------------------------------------------------------


def say(request: HttpRequest) -> HttpResponse:
    """A synchronous view that appends."""
    write("f", 10)
    return HttpResponse()


urlpatterns = [path("say", say)]


def by_thread() -> None:
    write("f", 10)


def by_coroutine() -> None:
    asyncio.run(livefeed.aappend("f", [livefeed.Chunk("t", "line", ["from a coroutine"])]))


def by_view() -> None:
    assert Client().get("/say").status_code == 200


def by_signal_handler() -> None:
    """The ring alone comes from the handler: where a loop runs, Django asks no database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doorbell(), "ring", lambda feed: None)
        write("f", 10)
    os.kill(os.getpid(), signal.SIGUSR1)


@contextmanager
def another_process() -> Iterator[Callable[[], None]]:
    """It is up, which may take longer than a peer waits, and appends when it is told to."""
    file, quiet = str(connection.settings_dict["NAME"]), {"DOORBELL": DOORBELLS["muted"]}
    program = [sys.executable, "-c", SET_UP + "print(flush=True)\ninput()" + APPEND]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, cwd=ROOT, env=environment(file, quiet), stdin=pipe, stdout=pipe) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n"

        def go() -> None:
            child.communicate(b"\n", 30)

        yield go
        assert child.returncode == 0


@contextmanager
def apart(ring: Callable[[], None]) -> Iterator[None]:
    """Ring in a thread whose end wakes nobody; at SIGUSR1 this one rings, in whatever it is at."""

    def run() -> None:
        ring()
        connection.close()

    before = signal.signal(signal.SIGUSR1, lambda *_: doorbell().ring("f"))
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join(30)
        signal.signal(signal.SIGUSR1, before)


MEMORY = "livefeed.doorbells.memory.MemoryDoorbell"
ANYWHERE = [by_thread, by_coroutine, by_view, by_signal_handler]


@pytest.mark.parametrize("path", [MEMORY, DOORBELLS["sqlite"]], ids=["memory", "sqlite"])
@pytest.mark.parametrize("ring", ANYWHERE, ids=lambda ring: ring.__name__)
async def test_a_ring_wakes_whoever_waits_from_wherever_it_comes(
    olga: User, settings: Settings, path: str, ring: Callable[[], None]
) -> None:
    polls = {"SAFETY_POLL_S": NEVER_S, "DATA_VERSION_POLL_S": NEVER_S}
    settings.LIVEFEED = LIVEFEED | {"DOORBELL": path} | polls
    settings.MIDDLEWARE = []
    await _wakes(olga, ring)


async def test_a_ring_wakes_whoever_waits_in_another_process(olga: User, settings: Settings) -> None:
    settings.LIVEFEED = LIVEFEED | {"DOORBELL": DOORBELLS["sqlite"], "SAFETY_POLL_S": NEVER_S}
    with another_process() as ring:
        await _wakes(olga, ring)


async def _wakes(olga: User, ring: Callable[[], None]) -> None:
    """No poll comes to the rescue, so a waiter that was not woken is not woken within the peer's deadline."""
    await off_loop(write, "f", 10)
    async with Peer(olga) as peer:
        await peer.sub("f")
        heard = await peer.hear_until("hb")  # nothing is due any more but the next ring
        with apart(ring):
            heard += await peer.hear_until("ev")
    await assert_is_log(events(heard), "f")
