"""Slow links in real minutes, with everything as it is shipped: slow is not dead, and too slow is told so."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.db import connection
from typing_extensions import override

import livefeed
from tests.livefeed.oracle import Applied
from tests.livefeed.raw_client import CutOff, RawClient, Wire
from tests.livefeed.serving import ORIGIN
from tests.livefeed.watched import Watched, watched

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

MINUTES = 5
# What a live link carries of its rate, at least: the rest is waiting for the next message after an ack.
SHARE = 0.9


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[Watched]:
    with watched(str(connection.settings_dict["NAME"]), settings.SESSION_COOKIE_NAME) as one:
        yield one


class TimeIsUp(Exception):
    """The wire was read for as long as it should be."""


class SlowWire(Wire):
    """Takes so many bytes a second. As on a real link, what the server's window lets out is on its way."""

    def __init__(self, port: int, headers: dict[str, str], rate: int, seconds: float) -> None:
        super().__init__(port, headers)
        self._rate, self._seconds = rate, seconds
        self._began: float | None = None
        self.taken = 0

    @property
    def share(self) -> float:
        """What came, as a part of what the link carries in that time."""
        return self.taken / (self._rate * self._seconds)

    @override
    def _read(self) -> None:
        self._began = self._began or time.monotonic()
        piece = max(self._rate // 10, 50)
        due = self._began + (self.taken + piece) / self._rate
        threading.Event().wait(max(due - time.monotonic(), 0))
        if time.monotonic() > self._began + self._seconds:
            raise TimeIsUp
        data = self._socket.recv(piece)
        if not data:
            raise CutOff("end of stream")
        self.taken += len(data)
        self._rest += data


def assert_is_prefix(applied: Applied, feed: str) -> None:
    page = livefeed.read(feed, 0)
    stored = [pair for group in page.groups for pair in enumerate(group[5], group[4])]
    assert applied.events == stored[: len(applied.events)]


@pytest.mark.parametrize("rates", [(4_000, 40_000)])
def test_slow_clients_live_at_the_full_rate_of_their_links(
    server: Watched, cookie: str, feed: str, rates: tuple[int, ...]
) -> None:
    for _ in range(1_200):  # more than the faster one can take, and no cursor too far behind
        livefeed.append(feed, [livefeed.Chunk("t", "line", ["x" * 2_700] * 4)])

    def follow(rate: int) -> tuple[SlowWire, RawClient]:
        headers = {"Cookie": cookie, "Origin": ORIGIN}
        client = RawClient(server.port, headers, feed)
        wire = SlowWire(server.port, headers, rate, MINUTES * 60)
        with wire, pytest.raises(TimeIsUp):
            client._talk(wire)
        return wire, client

    with ThreadPoolExecutor(len(rates)) as pool:
        for wire, client in pool.map(follow, rates):
            assert wire.share > SHARE, wire.share
            assert_is_prefix(client.applied, feed)
            assert client.seq > 0


def test_a_link_too_slow_for_one_message_is_closed_with_4001_and_goes_on_from_its_cursor(
    server: Watched, cookie: str, feed: str
) -> None:
    """At 500 B/s 30 KB take a minute, more than may pass without an ack; what was on its way still counts."""
    for line in ("short", "x" * 30_000, "short"):
        livefeed.append(feed, [livefeed.Chunk("t", "line", [line])])
    headers = {"Cookie": cookie, "Origin": ORIGIN}
    client = RawClient(server.port, headers, feed)
    with SlowWire(server.port, headers, 500, MINUTES * 60) as wire, pytest.raises(CutOff) as cut:
        client._talk(wire)
    assert cut.value.args == (4001,)
    assert client.seq == 3
    livefeed.append(feed, [livefeed.Chunk("t", "line", ["what came meanwhile"])])
    livefeed.close(feed)
    client.follow(30).assert_is_log(feed)
