"""The reference client against a server that a test scripts: what a real one only does on a bad day."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Iterator
from functools import partial

import pytest
from typing_extensions import override

from livefeed import client as livefeed_client
from livefeed.client import FeedClient, Group
from tests.browser.unit.feed_client import accept, ev
from tests.browser.unit.scripted import ScriptedFeed, serve_feed
from tests.livefeed.followers import ReferenceClient, follow_all
from tests.livefeed.oracle import assert_flat
from tests.livefeed.test_silence import Clock


@pytest.fixture
def feed_server() -> Iterator[ScriptedFeed]:
    with serve_feed() as one:
        yield one


def follow(feed_server: ScriptedFeed, script: Callable[[], None]) -> list[int]:
    """The seqs that a client of "rollout/1" has applied when the feed has ended."""
    client = ReferenceClient(feed_server.url, "http://127.0.0.1:1/", {}, "rollout/1", patience=0.001)
    [applied] = follow_all(client, meanwhile=script)
    return [seq for seq, _ in applied.events]


def test_a_head_that_stays_ahead_makes_it_ask_again(
    feed_server: ScriptedFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One heartbeat is enough: the next may be 20 s away."""
    monkeypatch.setattr(livefeed_client, "BEHIND_S", 0.15)

    def script() -> None:
        talk = feed_server.talk(0)
        sub = accept(talk, head=1)
        talk.say(ev(sub, 1, 1), {"t": "caught_up", "id": sub["id"], "seq": 1})
        talk.say({"t": "hb", "now": 1, "heads": {str(sub["id"]): 3}})
        again = accept(talk, head=3, n=1)
        assert again["after"] == 1
        talk.say(ev(again, 2, 3), {"t": "end", "id": again["id"], "seq": 3})

    assert follow(feed_server, script) == [1, 2, 3]


class Returning(FeedClient):
    """Its server goes away as soon as `lasts` is over, and is back after so long. Its waits take no time."""

    def __init__(self, away_s: float, lasts: Callable[[], None]) -> None:
        super().__init__("ws://127.0.0.1:1/", "http://127.0.0.1:1/", {}, "f", attempts=1000)
        self.away_s, self.lasts = away_s, lasts
        self.waits: list[float] = []

    @override
    async def _connection(self) -> AsyncGenerator[Group, None]:
        self.connections += 1
        if self.connections == 1:
            self.lasts()
        if self.connections == 1 or sum(self.waits) < self.away_s:
            raise ConnectionResetError
        nothing: tuple[Group, ...] = ()
        for group in nothing:
            yield group

    @override
    def _wait(self, series: int) -> float:
        self.waits.append(super()._wait(series))
        return 0


async def come_back(away_s: float, lasts: Callable[[], None] = lambda: None) -> list[float]:
    """The waits of a client until its server is there again."""
    client = Returning(away_s, lasts)
    assert [group async for group in client] == []
    return client.waits


@pytest.fixture
def dice(monkeypatch: pytest.MonkeyPatch) -> random.Random:
    """Chance that is the same each time."""
    dice = random.Random(44)
    monkeypatch.setattr(random, "SystemRandom", lambda: dice)
    return dice


@pytest.mark.parametrize("away_s", [0, 1, 2])
async def test_300_clients_of_a_server_that_was_restarted_do_not_come_back_in_a_crowd(
    dice: random.Random, away_s: float
) -> None:
    assert_flat([sum(await come_back(away_s)) for _ in range(300)], 5)


@pytest.mark.parametrize("lasted_s", [0, livefeed_client.STABLE_S + 1], ids=["short", "stable"])
async def test_the_longest_waits_are_those_of_the_protocol(
    dice: random.Random, monkeypatch: pytest.MonkeyPatch, lasted_s: float
) -> None:
    """Section 8; a connection that has lasted begins the series anew, and the first of it comes once."""
    monkeypatch.setattr(dice, "uniform", lambda least, most: most)
    clock = Clock(monkeypatch)
    waits = await come_back(100, partial(clock.leap, lasted_s))
    assert waits == [5, 4, 8, 16, 30, 30, 30]
