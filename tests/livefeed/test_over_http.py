"""The promises of `test_over_the_network.py` without a WebSocket: an EventSource and a long poll."""

from __future__ import annotations

import random
import signal
from functools import partial
from itertools import count
from typing import Literal

import pytest

import livefeed
from livefeed.models import Feed
from tests.chaos import ChaosProxy, Cut
from tests.livefeed.conftest import new_server
from tests.livefeed.followers import DEADLINE_S, Visitor, follow_all
from tests.livefeed.oracle import write
from tests.livefeed.raw_client import Refused, Reset
from tests.livefeed.raw_http import HttpClient
from tests.livefeed.serving import ORIGIN, Server
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


@pytest.mark.parametrize(("cuts", "lines"), [(50, 1250), pytest.param(200, 5000, marks=pytest.mark.long)])
def test_random_cuts_while_lines_are_written(
    proxy: ChaosProxy, visitor: Visitor, feed: str, cuts: int, lines: int
) -> None:
    dice = random.Random(feed)

    def cut(number: int) -> Cut | None:
        if proxy.cuts == cuts or (visitor.kind == "poll" and number % 2):
            return None  # a poll that is cut brings nothing: every other one comes through
        how: Literal["rst", "fin"] = dice.choice(["rst", "fin"])
        if number % 5 == 0:  # within the request
            return Cut(size=dice.randint(1, 200), direction="up", how=how)
        return Cut(size=dice.randint(1, 3000), how=how)

    client = visitor.client(feed, proxy.port)
    write(feed, 25)
    proxy.plan(cut(number) for number in count())

    def next_is_due(before: int, written: int) -> bool:
        return proxy.cuts > before or client.seq == written or proxy.cuts == cuts

    def produce() -> None:
        written = 25
        while proxy.cuts < cuts or written < lines:
            write(feed, 25, per_append=dice.choice([5, 25]))
            written += 25
            eventually(partial(next_is_due, proxy.cuts, written), DEADLINE_S, "cut or caught up")
        livefeed.close(feed)

    [applied] = follow_all(client, meanwhile=produce)
    applied.assert_is_log(feed)
    assert proxy.cuts == cuts


def test_a_cut_at_every_byte_of_an_answer_costs_nothing(
    proxy: ChaosProxy, visitor: Visitor, feed: str
) -> None:
    livefeed.append(feed, [livefeed.Chunk("t", "line", ["1 a", "2 b", "3 c"])])
    livefeed.close(feed)
    uncut = visitor.client(feed, proxy.port)
    follow_all(uncut)
    assert isinstance(uncut, HttpClient)
    # The end of the answer; the `retry` at its beginning has a digit more or less. A stream's last bytes are
    # not reached: once its events are whole they stay applied, and the next answer is shorter.
    proxy.plan(Cut(size=size) for size in range(uncut.size - 300, uncut.size - 8))
    client = visitor.client(feed, proxy.port)
    [applied] = follow_all(client)
    applied.assert_is_log(feed)
    assert client.connections > 200


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill-9", "redeploy"])
def test_a_server_that_goes_and_comes_back_costs_nothing(
    visitor: Visitor, feed: str, how: signal.Signals, server: Server
) -> None:
    mortal = new_server(server.bell)
    mortal.start()
    write(feed, 100)
    with ChaosProxy(("127.0.0.1", mortal.port)) as proxy:
        client = visitor.client(feed, proxy.port)

        def restart() -> None:
            eventually(lambda: client.seq == 100)
            mortal.stop(how)
            write(feed, 100)
            mortal.start()
            proxy.retarget(mortal.port)
            livefeed.close(feed)

        try:
            [applied] = follow_all(client, meanwhile=restart)
        finally:
            mortal.stop()
    applied.assert_is_log(feed)
    assert client.connections > 1


def test_a_client_may_go_to_another_process_at_each_request(
    server: Server, visitor: Visitor, feed: str
) -> None:
    other = new_server(server.bell)
    other.start()
    write(feed, 20)
    with ChaosProxy(("127.0.0.1", server.port)) as proxy:
        proxy.retarget(server.port, other.port)
        proxy.plan(Cut(size=800 + 97 * n) for n in range(20))
        client = visitor.client(feed, proxy.port)

        def produce() -> None:
            for _ in range(20):
                write(feed, 20)
            livefeed.close(feed)

        try:
            [applied] = follow_all(client, meanwhile=produce)
        finally:
            other.stop()
    applied.assert_is_log(feed)
    assert client.connections >= 10


def test_a_client_may_go_from_one_transport_to_another(
    server: Server, visitor: Visitor, cookie: str, feed: str
) -> None:
    """The cursor is all there is: a socket's, a stream's and a poll's are the same."""
    write(feed, 50)
    socket = Visitor(cookie, "raw").client(feed, server.port)
    livefeed.close(feed)
    [applied] = follow_all(socket)
    write(feed, 50)
    livefeed.close(feed)
    epoch = livefeed.head(feed).epoch
    applied.events += follow_all(visitor.client(feed, server.port, epoch=epoch, after=50))[0].events
    applied.assert_is_log(feed)


def test_a_client_far_behind_reads_history_first(server: Server, visitor: Visitor, feed: str) -> None:
    write(feed, 12_000, per_append=3000)
    livefeed.close(feed)
    client = visitor.client(feed, server.port)
    [applied] = follow_all(client)
    applied.assert_is_log(feed)
    assert client.pages >= 3
    assert client.connections == 2


@pytest.mark.parametrize(
    ("epoch", "after", "reason"), [("of.another", 3, "epoch"), (None, 11, "ahead"), (None, 4, "pruned")]
)
def test_a_cursor_that_is_not_good_is_told_so(
    server: Server, visitor: Visitor, feed: str, epoch: str | None, after: int, reason: str
) -> None:
    write(feed, 10)
    Feed.objects.filter(key=feed).update(first=6 if reason == "pruned" else 1)
    epoch = epoch or livefeed.head(feed).epoch
    with pytest.raises(Reset) as caught:
        follow_all(visitor.client(feed, server.port, epoch=epoch, after=after))
    assert caught.value.reason == reason
    assert caught.value.head == 10


@pytest.mark.parametrize(
    ("headers", "code"),
    [({}, 401), ({"Origin": "http://evil.test"}, 403), ({"Origin": ORIGIN + ":81"}, 403)],
    ids=["not signed in", "foreign origin", "other port"],
)
def test_a_stranger_is_refused(
    server: Server, visitor: Visitor, feed: str, headers: dict[str, str], code: int
) -> None:
    write(feed, 1)
    client = visitor.client(feed, server.port)
    client.headers = headers if code == 401 else client.headers | headers
    with pytest.raises(Refused) as caught:
        follow_all(client)
    assert caught.value.code == code


@pytest.mark.parametrize(("key", "code"), [("secret", "forbidden"), ("absent", "not_found")])
def test_a_feed_that_is_refused_is_named(server: Server, visitor: Visitor, key: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        follow_all(visitor.client(key, server.port))
    assert caught.value.code == code
