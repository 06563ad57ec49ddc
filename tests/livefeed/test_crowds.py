"""Many clients at once behind the shipped launcher: none waits for a stalled one, and nothing is left."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest
from django.conf import settings
from django.db import connection

import livefeed
from livefeed.conf import DEFAULTS
from tests.livefeed.crowd import Crowd
from tests.livefeed.followers import DEADLINE_S, Follower, Visitor
from tests.livefeed.oracle import lines, write
from tests.livefeed.raw_client import CutOff, Wire
from tests.livefeed.serving import ORIGIN
from tests.livefeed.watched import Watched, watched
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

MIB = 1024 * 1024
NEVER_S = 600


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[Watched]:
    """One server for all, with the deadlines that are shipped."""
    livefeed = {"READER_LINGER_S": 0.1}
    with watched(str(connection.settings_dict["NAME"]), settings.SESSION_COOKIE_NAME, livefeed) as one:
        yield one


@pytest.fixture
def narrow(django_db_setup: None) -> Iterator[Watched]:
    """A server whose kernel takes less for a client than its window lets through, and that lets nobody go."""
    livefeed = {
        "WINDOW_MIN_BYTES": DEFAULTS["WINDOW_MAX_BYTES"],
        "ACK_TIMEOUT_S": NEVER_S,
        "READER_LINGER_S": 0.1,
    }
    launcher = {
        "SEND_BUFFER_BYTES": 16_384,
        "TCP_USER_TIMEOUT_MS": NEVER_S * 1000,
        "WS_PING_TIMEOUT_S": NEVER_S,
    }
    name = str(connection.settings_dict["NAME"])
    with watched(name, settings.SESSION_COOKIE_NAME, livefeed, launcher) as one:
        yield one


@pytest.fixture
def baseline(server: Watched) -> Iterator[dict[str, int]]:
    """What the server holds while nobody is there: it must be that again."""
    baseline = server.holds()
    yield baseline
    server.returns_to(baseline)


def test_199_clients_get_everything_beside_one_that_is_stalled(
    narrow: Watched, cookie: str, feed: str
) -> None:
    """Not only its window is used up: what the server sends it waits for the kernel."""
    for _ in range(30):
        livefeed.append(feed, [livefeed.Chunk("t", "line", ["x" * 8_000])])
    baseline = narrow.holds()
    with Wire(narrow.port, {"Cookie": cookie, "Origin": ORIGIN}, buffer_bytes=2_048) as stalled:
        stalled.say(t="hello")
        stalled.say(t="sub", id=1, feed=feed, epoch=None, after=0)
        eventually(lambda: narrow.holds()["blocked"] == 1, 30, "a send to the stalled one waits")
        visitor = Visitor(cookie, "reference")
        crowd = Crowd([visitor.client(feed, narrow.port) for _ in range(199)])
        eventually(lambda: narrow.holds()["watchers"] == 200, 60)
        write(feed, 600, per_append=20)
        livefeed.close(feed)
        crowd.assert_log()
        eventually(lambda: narrow.holds()["watchers"] == 1, what="the stalled one is still there")
        assert narrow.holds()["blocked"] == 1
    narrow.returns_to(baseline)


def at_least(client: Follower, seq: int) -> bool:
    return client.seq >= seq


@pytest.mark.parametrize(
    ("clients", "count", "deadline_s"),
    [(40, 6_000, DEADLINE_S), pytest.param(500, 50_000, 1_500, marks=pytest.mark.long)],
    ids=["some", "many"],
)
def test_a_crowd_that_catches_up_reads_a_few_at_a_time_and_the_tail_goes_on(
    server: Watched,
    cookie: str,
    baseline: dict[str, int],
    feed: str,
    clients: int,
    count: int,
    deadline_s: float,
) -> None:
    write(feed, count, per_append=500)
    visitor = Visitor(cookie, "reference")
    early = visitor.client(feed, server.port, epoch=livefeed.head(feed).epoch, after=count)
    with ThreadPoolExecutor(1) as pool:
        tail = pool.submit(early.follow, deadline_s)
        eventually(lambda: server.holds()["watchers"] == 1)
        crowd = Crowd([visitor.client(feed, server.port) for _ in range(clients)], deadline_s)
        head = count
        while not all(client.seq >= count for client in crowd.clients):
            head += 1
            livefeed.append(feed, [livefeed.Chunk("t", "line", lines(head, 1))])
            eventually(partial(at_least, early, head), 60, "the tail goes on")
        livefeed.close(feed)
        crowd.assert_log()
        tail.result(60).assert_is_log(feed, count)
    # One feed gets half of the page threads, and its reader looks at the tail beside them.
    assert server.holds()["reads_at_once"] <= DEFAULTS["PAGE_THREADS"] // 2 + 1


def visit(server: Watched, headers: dict[str, str], feed: str, chance: random.Random) -> None:
    """Come, get so far, and go, in one of the ways that there are."""
    how_far = chance.randrange(6)
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        if how_far == 0:
            plain.sendall(b"GET /livefeed/ HTTP/1.1\r\nHost: x"[: chance.randrange(33)])
            return
    with Wire(server.port, headers) as wire:
        if how_far > 1:
            wire.say(t="hello")
        if how_far > 2:
            wire.say(t="sub", id=1, feed=feed, epoch=None, after=0)
        for _ in range(chance.randrange(6) if how_far > 3 else 0):
            wire.hear()
        if chance.randrange(2):
            wire._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how_far == 5:
            wire._send(0x8, struct.pack("!H", 1000))
            with suppress(CutOff):
                while True:
                    wire.hear()


@pytest.mark.parametrize("count", [300, pytest.param(5_000, marks=pytest.mark.long)])
def test_sockets_that_open_and_close_leave_nothing_behind(
    server: Watched, cookie: str, baseline: dict[str, int], feed: str, count: int
) -> None:
    write(feed, 30, per_append=3)
    headers = {"Cookie": cookie, "Origin": ORIGIN}
    chance = random.Random(feed)
    memory = 0
    with ThreadPoolExecutor(8) as pool:
        for _ in range(2):  # what grows once has grown in the first half
            seeds = [random.Random(chance.random()) for _ in range(count // 2)]
            for done in [pool.submit(visit, server, headers, feed, seed) for seed in seeds]:
                done.result(DEADLINE_S)
            server.returns_to(baseline)
            memory, before = server.holds()["most_memory"], memory
    assert memory - before < 2 * MIB
