"""The promises of `test_over_the_network.py` without a WebSocket: an EventSource and a long poll."""

from __future__ import annotations

import random
from functools import partial
from typing import Literal

import pytest

import livefeed
from tests.chaos import ChaosProxy, Cut
from tests.livefeed.followers import Visitor, follow_all
from tests.livefeed.oracle import write
from tests.livefeed.serving import Server
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["stream", "poll"])
def visitor(request: pytest.FixtureRequest, cookie: str) -> Visitor:
    """Olga behind a proxy that strips upgrades."""
    return Visitor(cookie, request.param)


def test_a_feed_from_its_first_line_to_its_end(server: Server, visitor: Visitor, feed: str) -> None:
    write(feed, 100)
    client = visitor.client(feed, server.port)

    def produce() -> None:
        eventually(lambda: client.seq == 100)
        write(feed, 1)
        eventually(lambda: client.seq == 101)
        write(feed, 4000, per_append=500)
        livefeed.close(feed)

    [applied] = follow_all(client, meanwhile=produce)
    applied.assert_is_log(feed)
    assert visitor.kind == "poll" or client.connections == 1


def test_200_random_cuts_while_5000_lines_are_written(proxy: ChaosProxy, visitor: Visitor, feed: str) -> None:
    dice = random.Random(feed)

    def cut(number: int) -> Cut:
        how: Literal["rst", "fin"] = "rst" if number % 2 else "fin"
        if number % 5 == 0:  # within the request
            return Cut(size=dice.randint(1, 200), direction="up", how=how)
        return Cut(size=dice.randint(1, 3000), how=how)

    client = visitor.client(feed, proxy.port)
    write(feed, 25)
    proxy.plan(cut(number) for number in range(200))

    def next_is_due(cuts: int, written: int) -> bool:
        return proxy.cuts > cuts or client.seq == written or proxy.cuts == 200

    def produce() -> None:
        written = 25
        while proxy.cuts < 200 or written < 5000:
            write(feed, 25, per_append=dice.choice([5, 25]))
            written += 25
            eventually(partial(next_is_due, proxy.cuts, written))
        livefeed.close(feed)

    [applied] = follow_all(client, meanwhile=produce)
    applied.assert_is_log(feed)
    assert proxy.cuts == 200
