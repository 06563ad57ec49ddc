"""Promises over a real server, a proxy that cuts, and two independent clients: every line once, in order."""

from __future__ import annotations

import random
import signal
import struct
from functools import partial
from itertools import repeat
from typing import Literal

import pytest
from django.db import transaction

import livefeed
from tests.chaos import ChaosProxy, Cut
from tests.livefeed.conftest import new_server
from tests.livefeed.followers import Visitor, follow_all
from tests.livefeed.oracle import Applied, lines, write
from tests.livefeed.raw_client import RawClient, Refused, Reset, Wire
from tests.livefeed.serving import ORIGIN, Server
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

# The first messages of a connection: welcome and subok.
PREAMBLE = 2


def close_frame(code: int) -> bytes:
    """A WebSocket close frame as a server sends it."""
    return b"\x88\x02" + struct.pack("!H", code)


def test_a_cut_at_every_message_boundary_costs_nothing(
    proxy: ChaosProxy, visitor: Visitor, feed: str
) -> None:
    write(feed, 1000)
    livefeed.close(feed)
    proxy.plan(repeat(Cut(frames=PREAMBLE + 1), 100))
    client = visitor.client(feed, proxy.port)
    [applied] = follow_all(client)
    applied.assert_is_log(feed)
    assert proxy.cuts == 100
    assert client.connections == 101


def test_a_cut_at_every_byte_of_a_message_costs_nothing(
    proxy: ChaosProxy, visitor: Visitor, feed: str
) -> None:
    livefeed.append(feed, [livefeed.Chunk("t", "line", ["1 a", "2 b", "3 c"])])
    livefeed.close(feed)
    size = (
        len('{"t":"ev","id":1,"prev":0,"to":3,"g":[["t","line",null,1795452857737,1,["1 a","2 b","3 c"]]]}')
        + 2
    )
    proxy.plan(Cut(frames=PREAMBLE, size=offset) for offset in range(1, size + 1))
    client = visitor.client(feed, proxy.port, attempts=size + 1)
    [applied] = follow_all(client)
    applied.assert_is_log(feed)
    assert client.connections == size + 1


def test_a_line_in_pieces_that_is_cut_within_a_piece_costs_nothing(
    proxy: ChaosProxy, visitor: Visitor, feed: str
) -> None:
    pieces = [letter * 16_000 for letter in "abc"]
    livefeed.append(feed, [livefeed.Chunk("t", "cont", pieces, origin="o")])
    livefeed.append(feed, [livefeed.Chunk("t", "line", ["end"], origin="o")])
    livefeed.close(feed)
    # Two pieces make the first message, the third is the second one.
    cuts = [(PREAMBLE, 5_000), (PREAMBLE, 20_000), (PREAMBLE + 1, 9_000), (PREAMBLE, 9_000)]
    proxy.plan(Cut(frames=frames, size=size) for frames, size in cuts)
    [applied] = follow_all(visitor.client(feed, proxy.port))
    applied.assert_is_log(feed)
    assert "".join(text for _, text in applied.events) == "".join([*pieces, "end"])
    assert proxy.cuts == 4


@pytest.mark.parametrize(
    "last_words",
    [b"", close_frame(1001), close_frame(1011), close_frame(1012)],
    ids=["fin", "1001", "1011", "1012"],
)
def test_any_way_to_end_a_connection_costs_nothing(
    proxy: ChaosProxy, visitor: Visitor, feed: str, last_words: bytes
) -> None:
    write(feed, 200)
    livefeed.close(feed)
    proxy.plan(Cut(frames=PREAMBLE + n, how="fin", last_words=last_words) for n in (1, 2, 3, 4))
    [applied] = follow_all(visitor.client(feed, proxy.port))
    applied.assert_is_log(feed)
    assert proxy.cuts == 4


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill-9", "redeploy"])
def test_a_server_that_goes_and_comes_back_costs_nothing(
    visitor: Visitor, feed: str, how: signal.Signals, server: Server
) -> None:
    mortal = new_server(server.bell)
    mortal.start()
    write(feed, 100)
    with ChaosProxy(("127.0.0.1", mortal.port)) as proxy:
        client = visitor.client(feed, proxy.port, attempts=5000)

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


def test_200_random_cuts_while_5000_lines_are_written(proxy: ChaosProxy, visitor: Visitor, feed: str) -> None:
    dice = random.Random(feed)

    def cut(number: int) -> Cut:
        how: Literal["rst", "fin"] = "rst" if number % 2 else "fin"
        if number % 5 == 0:  # within the handshake, the hello or the subscription
            return Cut(size=dice.randint(1, 400), direction="up", how=how)
        return Cut(size=dice.randint(1, 1200), how=how)

    client = visitor.client(feed, proxy.port, attempts=500)
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


def test_lines_between_the_page_and_the_socket_are_not_missing(
    server: Server, visitor: Visitor, feed: str
) -> None:
    write(feed, 300)
    page = livefeed.read(feed)
    applied = Applied()
    applied.add_groups(page.groups)
    write(feed, 500)
    livefeed.close(feed)
    client = visitor.client(feed, server.port, epoch=page.epoch, after=page.to)
    applied.events += follow_all(client)[0].events
    applied.assert_is_log(feed)


def test_two_sockets_of_one_tab_apply_every_line_once_each(
    proxy: ChaosProxy, visitor: Visitor, feed: str
) -> None:
    write(feed, 100)
    proxy.plan(Cut(frames=PREAMBLE + n) for n in (1, 2, 3, 1, 2, 3))
    clients = [visitor.client(feed, proxy.port), visitor.client(feed, proxy.port)]

    def produce() -> None:
        write(feed, 400)
        livefeed.close(feed)

    for applied in follow_all(*clients, meanwhile=produce):
        applied.assert_is_log(feed)


def test_one_cursor_that_two_sockets_feed_applies_every_line_once(
    server: Server, cookie: str, feed: str
) -> None:
    """A tab opens a second socket before it knows that the first one lives: both bring everything."""
    write(feed, 100)
    headers = {"Cookie": cookie, "Origin": ORIGIN}
    tab = RawClient(server.port, headers, feed)
    with Wire(server.port, headers) as old, Wire(server.port, headers) as new:
        heard = {old: 0, new: 0}
        for wire in (old, new):
            wire.say(t="hello")
            tab.subscribe(wire, 0)
        write(feed, 400)
        while min(heard.values()) < 500:
            for wire in (old, new):
                message = wire.hear()
                if message["t"] != "ev":
                    continue
                heard[wire] = message["to"]
                if message["prev"] == tab.seq:
                    tab.apply(message)
                else:
                    assert message["to"] <= tab.seq
                wire.say(t="ack", id=1, seq=message["to"])
    tab.applied.assert_is_log(feed)


def test_a_feed_that_ends_while_the_client_is_away_is_told_to_its_end(
    proxy: ChaosProxy, visitor: Visitor, feed: str
) -> None:
    write(feed, 50)
    client = visitor.client(feed, proxy.port)

    def end() -> None:
        eventually(lambda: client.seq == 50)
        with transaction.atomic():
            livefeed.append(feed, [livefeed.Chunk("t1", "line", lines(51, 7))])
            livefeed.append(feed, [livefeed.Chunk("rollout", "rollout.state", [{"state": "succeeded"}])])
            livefeed.close(feed)
            proxy.cut_all()

    [applied] = follow_all(client, meanwhile=end)
    applied.assert_is_log(feed)
    assert client.ended
    epoch, head = livefeed.head(feed).epoch, livefeed.head(feed).head
    late = visitor.client(feed, proxy.port, epoch=epoch, after=head)
    assert follow_all(late)[0].events == []
    assert late.ended


def test_a_client_may_go_to_another_process_at_each_reconnect(
    server: Server, visitor: Visitor, feed: str
) -> None:
    other = new_server(server.bell)
    other.start()
    write(feed, 20)
    with ChaosProxy(("127.0.0.1", server.port)) as proxy:
        proxy.retarget(server.port, other.port)
        proxy.plan(Cut(frames=PREAMBLE + 1 + n % 3) for n in range(20))
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


def test_a_client_far_behind_reads_history_first(server: Server, visitor: Visitor, feed: str) -> None:
    write(feed, 12_000, per_append=3000)
    livefeed.close(feed)
    client = visitor.client(feed, server.port)
    [applied] = follow_all(client)
    applied.assert_is_log(feed)
    assert client.pages >= 3
    assert client.connections == 1


def test_a_cursor_of_another_epoch_is_told_so(server: Server, visitor: Visitor, feed: str) -> None:
    write(feed, 10)
    with pytest.raises(Reset) as caught:
        follow_all(visitor.client(feed, server.port, epoch="of.another", after=3))
    assert caught.value.reason == "epoch"
    assert caught.value.head == 10


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": ORIGIN}, 4501),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": ORIGIN + ":81"}, 403),
        ({}, 403),
    ],
    ids=["not signed in", "foreign origin", "other port", "no origin"],
)
def test_a_stranger_is_refused(
    server: Server, visitor: Visitor, feed: str, headers: dict[str, str], code: int
) -> None:
    write(feed, 1)
    client = visitor.client(feed, server.port)
    client.headers = headers
    with pytest.raises(Refused) as caught:
        follow_all(client)
    assert caught.value.code == code
