"""Clients that break the rules or stretch them, by raw sockets against the shipped launcher."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

import pytest
from django.conf import settings
from django.db import connection

from tests.livefeed.raw_client import CLOSE, PING, TEXT, CutOff, Refused, Wire
from tests.livefeed.serving import ORIGIN
from tests.livefeed.watched import Watched, watched
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

MIB = 1024 * 1024
CONTINUATION, BINARY, UNKNOWN = 0x0, 0x2, 0x3
FINAL, RESERVED = 0x80, 0x40
HELLO = b'{"t":"hello"}'


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[Watched]:
    """One server for all, with little room for what is not read, and little time for a request's head."""
    limits = {"REQUEST_HEAD_S": 0.5, "SEND_BUFFER_BYTES": 4_096}
    patient = {"MESSAGES_PER_S": 1e9, "MESSAGES_BURST": 10**9}  # what stops a flood here is what nobody reads
    name = str(connection.settings_dict["NAME"])
    with watched(name, settings.SESSION_COOKIE_NAME, patient, limits) as one:
        yield one


@pytest.fixture
def baseline(server: Watched) -> Iterator[dict[str, int]]:
    """What the server holds while nobody is there: it must be that again."""
    baseline = server.holds()
    yield baseline
    server.returns_to(baseline)


class RudeWire(Wire):
    """Sends any frame at all."""

    def frame(self, first: int, payload: bytes, *, masked: bool = True) -> None:
        """A frame whose first byte is `first`; its mask is of zeroes."""
        size, bit = len(payload), 0x80 if masked else 0
        head = bytes([first, bit | size]) if size < 126 else struct.pack("!BBH", first, bit | 126, size)
        self._socket.sendall(head + bytes(4 if masked else 0) + payload)


@pytest.fixture
def wire(server: Watched, cookie: str, baseline: dict[str, int]) -> Iterator[RudeWire]:
    """A socket past its handshake; 4 KB is all that its kernel takes while it does not read."""
    one = RudeWire(server.port, {"Cookie": cookie, "Origin": ORIGIN}, buffer_bytes=4_096)
    with one:
        yield one


def close_code(wire: Wire) -> int:
    """Hear on until the server closes."""
    while True:
        try:
            wire.hear()
        except (CutOff, Refused) as end:
            return int(end.args[0])


def test_a_message_a_byte_a_frame_with_pings_between_is_understood(wire: RudeWire) -> None:
    wire.frame(TEXT, HELLO[:1])
    for byte in HELLO[1:-1]:
        wire.frame(CONTINUATION, bytes([byte]))
        wire.frame(FINAL | PING, b"?")
    wire.frame(FINAL | CONTINUATION, HELLO[-1:])
    assert wire.hear()["t"] == "welcome"


def test_a_message_without_end_is_cut_at_64_kib(wire: RudeWire) -> None:
    wire.frame(TEXT, b" " * 16_384)
    for _ in range(4):
        wire.frame(CONTINUATION, b" " * 16_384)
    assert close_code(wire) == 1009


def test_a_message_over_our_own_limit_is_refused(wire: RudeWire) -> None:
    wire.frame(FINAL | TEXT, HELLO)
    wire.frame(FINAL | TEXT, b'{"t":"ping","n":1,"x":"' + b"x" * 17_000 + b'"}')
    assert close_code(wire) == 1009


@pytest.mark.parametrize(
    ("first", "payload", "masked", "code"),
    [
        (FINAL | TEXT, HELLO, False, 1002),
        (FINAL | RESERVED | TEXT, HELLO, True, 1002),
        (FINAL | UNKNOWN, b"", True, 1002),
        (FINAL | PING, b"x" * 126, True, 1002),
        (PING, b"", True, 1002),
        (FINAL | CONTINUATION, b"", True, 1002),
        (FINAL | CLOSE, b"\x03", True, 1002),
        (FINAL | CLOSE, struct.pack("!H", 1005), True, 1002),
        (FINAL | TEXT, b"\xff", True, 1007),
        (FINAL | BINARY, HELLO, True, 4500),
    ],
    ids=[
        "unmasked",
        "reserved bit",
        "unknown opcode",
        "ping too long",
        "ping in pieces",
        "continues nothing",
        "half a close code",
        "forbidden close code",
        "no utf-8",
        "binary",
    ],
)
def test_a_frame_against_the_rules_closes(
    wire: RudeWire, first: int, payload: bytes, masked: bool, code: int
) -> None:
    wire.frame(first, payload, masked=masked)
    assert close_code(wire) == code


def test_pings_without_end_cost_no_memory_and_the_next_one_is_answered(
    server: Watched, wire: RudeWire
) -> None:
    wire.frame(FINAL | TEXT, HELLO)
    assert wire.hear()["t"] == "welcome"
    before = server.holds()["most_memory"]
    for _ in range(20_000):
        wire.frame(FINAL | PING, b"x" * 125)  # 2.5 MB, and nobody reads the answers
    wire.frame(FINAL | TEXT, b'{"t":"ping","n":7}')
    assert wire.hear() == {"t": "pong", "n": 7}
    assert server.holds()["most_memory"] - before < MIB


def test_questions_without_end_are_heard_no_more_until_the_answers_are_read(
    server: Watched, wire: RudeWire
) -> None:
    wire.frame(FINAL | TEXT, HELLO)
    assert wire.hear()["t"] == "welcome"
    before = server.holds()["most_memory"]
    wire._socket.settimeout(5)
    numbers = iter(range(100_000))
    with suppress(TimeoutError):
        for number in numbers:
            wire.frame(FINAL | TEXT, b'{"t":"ping","n":%d,"x":"%s"}' % (number, b"x" * 1_000))
    assert next(numbers, None) is not None, "it was heard to the end"
    wire._socket.settimeout(30)
    assert [wire.hear()["n"] for _ in range(1_000)] == list(range(1_000))
    assert server.holds()["most_memory"] - before < 2 * MIB


def trickle(server: Watched, before: bytes = b"") -> None:
    """Send `before`, then a request a byte at a time; returns when the server has closed."""
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.sendall(before)
        peer.settimeout(0.02)
        head = iter(b"GET /livefeed/history HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"x" * 10_000)

        def closed() -> bool:
            try:
                peer.sendall(bytes([next(head)]))
                return peer.recv(65_536) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        eventually(closed, 20, "the server closes a request whose head does not come")


def test_a_head_a_byte_at_a_time_is_not_waited_for(server: Watched, baseline: dict[str, int]) -> None:
    trickle(server)
    trickle(server, b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")


def test_a_connection_that_says_nothing_is_closed(server: Watched, baseline: dict[str, int]) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as peer:
        assert peer.recv(1) == b""
