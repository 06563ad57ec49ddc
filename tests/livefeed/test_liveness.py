"""Who is alive and who is not, behind the shipped launcher with shrunk deadlines: the dead are let go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from typing_extensions import override

import livefeed
from tests.chaos import ChaosProxy
from tests.livefeed.followers import Visitor, follow_all
from tests.livefeed.oracle import write
from tests.livefeed.raw_client import PONG, CutOff, RawClient, Wire
from tests.livefeed.serving import ORIGIN
from tests.livefeed.watched import Watched, watched
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

MIB = 1024 * 1024
# So large that the server writes until the kernel takes no more.
WINDOW_BYTES = 64 * MIB
HEARTBEAT_S = 0.2
PING_S, PING_TIMEOUT_S = 0.2, 2.0
ACK_TIMEOUT_S = 1.5
# Two such pauses, one here and one at the server, make an ack late; a heartbeat comes far sooner.
STALL_S, TRIES = ACK_TIMEOUT_S / 2, 4


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: object) -> Iterator[Watched]:
    """One server for all: deadlines of seconds, and a window that never shuts."""
    livefeed = {
        "HEARTBEAT_S": HEARTBEAT_S,
        "DEAD_S": 2.0,
        "ACK_TIMEOUT_S": ACK_TIMEOUT_S,
        "READER_LINGER_S": 0.1,
        "WINDOW_MIN_BYTES": WINDOW_BYTES,
        "WINDOW_MAX_BYTES": WINDOW_BYTES,
    }
    launcher = {"TCP_USER_TIMEOUT_MS": 2500, "WS_PING_S": PING_S, "WS_PING_TIMEOUT_S": PING_TIMEOUT_S}
    with watched(
        str(connection.settings_dict["NAME"]), settings.SESSION_COOKIE_NAME, livefeed, launcher
    ) as one:
        yield one


@pytest.fixture
def headers(cookie: str) -> dict[str, str]:
    return {"Cookie": cookie, "Origin": ORIGIN}


@pytest.fixture
def baseline(server: Watched, headers: dict[str, str], feed: str) -> dict[str, int]:
    """What the server holds while nobody is there. The feed has ten lines."""
    baseline = server.holds()
    write(feed, 10)
    livefeed.close(feed)
    RawClient(server.port, headers, feed).follow(30)
    livefeed.reopen(feed)
    server.returns_to(baseline)
    return baseline


def subscribed(wire: Wire, feed: str, after: int = 0) -> None:
    wire.say(t="hello")
    wire.say(t="sub", id=1, feed=feed, epoch=livefeed.head(feed).epoch if after else None, after=after)


def close_code(wire: Wire) -> int:
    """Hear on until the server closes."""
    while True:
        try:
            wire.hear()
        except CutOff as cut:
            return int(cut.args[0])


def in_kernel(server_port: int, client_port: int) -> bool:
    """Does the server's end of this connection exist, in whatever state?"""
    ends = f"0100007F:{server_port:04X} 0100007F:{client_port:04X}"
    return ends in Path("/proc/net/tcp").read_text("ascii")


@pytest.mark.parametrize("size", [40_000, 12 * MIB], ids=["fits into the kernel", "does not"])
def test_a_client_that_never_reads_costs_little_and_is_gone_in_time(
    server: Watched, headers: dict[str, str], baseline: dict[str, int], feed: str, size: int
) -> None:
    """Once it is the missing ack that ends it, once the deadline of a send that waits for the kernel."""
    for _ in range(size // 40_000):
        livefeed.append(feed, [livefeed.Chunk("t", "line", ["x" * 4_000] * 10)])
    livefeed.close(feed)
    RawClient(server.port, headers, feed).follow(60)  # whatever grows once has grown
    livefeed.reopen(feed)
    server.returns_to(baseline)
    before = server.holds()
    with Wire(server.port, headers, buffer_bytes=2_048) as wire:
        port = wire._socket.getsockname()[1]
        assert in_kernel(server.port, port)
        subscribed(wire, feed)
        eventually(lambda: server.holds()["reads"] > before["reads"])
        eventually(lambda: server.holds()["watchers"] == 0, 30)
        eventually(lambda: not in_kernel(server.port, port), 30)
        server.returns_to(baseline)
    assert server.holds()["most_memory"] - before["most_memory"] < 2 * MIB


class Mute(Wire):
    """Answers no ping."""

    @override
    def _send(self, opcode: int, payload: bytes) -> None:
        if opcode != PONG:
            super()._send(opcode, payload)


def test_a_client_that_reads_but_never_acknowledges_is_closed_with_4001(
    server: Watched, headers: dict[str, str], baseline: dict[str, int], feed: str
) -> None:
    with Wire(server.port, headers) as wire:
        subscribed(wire, feed)
        assert close_code(wire) == 4001
    server.returns_to(baseline)


def stays(wire: Wire, feed: str, after: int, answer: Callable[[dict[str, Any]], None]) -> bool:
    """Hear three times as long as a ping may go unanswered.

    False if it was cut off, but after a stall: it may have been silent for too long, or was heard too late.
    """
    heartbeats, longest_s, heard_at = 0, 0.0, time.monotonic()
    try:
        with wire:
            subscribed(wire, feed, after)
            while heartbeats * HEARTBEAT_S < 3 * (PING_S + PING_TIMEOUT_S):
                message = wire.hear()
                longest_s, heard_at = max(longest_s, time.monotonic() - heard_at), time.monotonic()
                heartbeats += message["t"] == "hb"
                answer(message)
    except CutOff:
        if max(longest_s, time.monotonic() - heard_at) < STALL_S:
            raise
        return False
    return True


def test_a_client_that_acknowledges_but_answers_no_ping_stays(
    server: Watched, headers: dict[str, str], baseline: dict[str, int], feed: str
) -> None:
    """What comes from it shows that it lives."""

    def attempt() -> bool:
        wire = Mute(server.port, headers)

        def acknowledge(message: dict[str, Any]) -> None:
            if message["t"] == "ev":
                wire.say(t="ack", id=1, seq=message["to"])
            if message["t"] == "hb":
                write(feed, 1)

        return stays(wire, feed, 0, acknowledge)

    assert any(attempt() for _ in range(TRIES))
    server.returns_to(baseline)


def test_a_client_with_nothing_to_acknowledge_that_answers_pings_stays(
    server: Watched, headers: dict[str, str], baseline: dict[str, int], feed: str
) -> None:
    assert any(stays(Wire(server.port, headers), feed, 10, lambda _: None) for _ in range(TRIES))
    server.returns_to(baseline)


def test_a_client_that_says_nothing_at_all_is_let_go(
    server: Watched, headers: dict[str, str], baseline: dict[str, int], feed: str
) -> None:
    with Mute(server.port, headers) as wire:
        subscribed(wire, feed, 10)
        assert close_code(wire) == 1011
        server.returns_to(baseline)


def test_a_black_hole_is_noticed_by_both_ends_and_costs_nothing(
    server: Watched, cookie: str, baseline: dict[str, int], feed: str
) -> None:
    with ChaosProxy(("127.0.0.1", server.port)) as proxy:
        client = Visitor(cookie, "reference").client(feed, proxy.port)

        def vanish() -> None:
            eventually(lambda: client.seq == 10)
            before = client.connections
            assert eventually(proxy.swallow_all) == 1  # after a stall there may be none yet
            write(feed, 10)
            eventually(lambda: client.seq == 20, 30)
            livefeed.close(feed)
            assert client.connections == before + 1

        [applied] = follow_all(client, meanwhile=vanish)
        server.returns_to(baseline)  # while the hole still is one
    applied.assert_is_log(feed)
