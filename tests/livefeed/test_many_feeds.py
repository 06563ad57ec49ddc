"""Many feeds that are written to at once, each watched by several: everybody has every line of their own."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from django.conf import settings
from django.db import connection

import livefeed
from livefeed.client import Group
from tests.livefeed.conftest import DOORBELLS
from tests.livefeed.crowd import Crowd
from tests.livefeed.followers import Visitor
from tests.livefeed.oracle import lines
from tests.livefeed.watched import Watched, watched
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

TICK_S = 0.1
LINES_A_TICK = 5
DEADLINE_S = 900


@pytest.fixture(scope="module", params=sorted(DOORBELLS))
def server(request: pytest.FixtureRequest, django_db_setup: None) -> Iterator[Watched]:
    """Behind the shipped launcher, with the safety poll that is shipped: many of them would be too many."""
    livefeed = {"DOORBELL": DOORBELLS[request.param], "SAFETY_POLL_S": 1.0}
    with watched(str(connection.settings_dict["NAME"]), settings.SESSION_COOKIE_NAME, livefeed) as one:
        yield one


def write_for(seconds: float, feeds: Sequence[str]) -> float:
    """50 lines a second to each of these feeds, a tick a transaction; the seconds that it took after all."""
    began = time.monotonic()
    for tick in range(round(seconds / TICK_S)):
        chunk = livefeed.Chunk("t", "line", lines(tick * LINES_A_TICK + 1, LINES_A_TICK))
        livefeed.append_many([(feed, [chunk]) for feed in feeds])
        threading.Event().wait(max(began + (tick + 1) * TICK_S - time.monotonic(), 0))
    took = time.monotonic() - began
    for feed in feeds:
        livefeed.close(feed)
    return took


@pytest.mark.parametrize(
    ("feeds", "sockets", "seconds"),
    [(8, 16, 1), pytest.param(100, 200, 60, marks=pytest.mark.long)],
    ids=["few", "many"],
)
def test_every_line_of_many_feeds_at_once_reaches_everybody_who_watches(
    server: Watched,
    cookie: str,
    feed: str,
    feeds: int,
    sockets: int,
    seconds: float,
) -> None:
    """How long a line took is told (`pytest -rP` shows it), and nothing is asserted of it."""
    keys = [f"{n} {feed}" for n in range(feeds)]
    for key in keys:
        livefeed.append(key, [])
    took_ms: list[float] = []

    def heard(group: Group) -> None:
        took_ms.append(time.time() * 1000 - group.at_ms)

    visitor = Visitor(cookie, "reference")
    clients = [visitor.client(keys[n % feeds], server.port) for n in range(sockets)]
    crowd = Crowd(clients, DEADLINE_S, heard)
    eventually(lambda: server.holds()["watchers"] == sockets, 60)
    wrote_s = write_for(seconds, keys)
    crowd.assert_log()
    assert all(livefeed.head(key).head == round(seconds / TICK_S) * LINES_A_TICK for key in keys)
    p99 = sorted(took_ms)[len(took_ms) * 99 // 100]
    rate = sum(livefeed.head(key).head for key in keys) / wrote_s
    sys.stdout.write(f"{rate:.0f} lines a second; from append to client 99 % of them within {p99:.0f} ms\n")
