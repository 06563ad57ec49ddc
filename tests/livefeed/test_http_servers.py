"""What streams and polls leave behind in a real server: with peers that do not read, and under daphne."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

import livefeed
from tests.chaos import ChaosProxy, Cut
from tests.livefeed.conftest import new_server
from tests.livefeed.followers import DEADLINE_S, Visitor, follow_all
from tests.livefeed.oracle import write
from tests.livefeed.raw_http import StreamClient
from tests.livefeed.serving import Server
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

MIB = 1024 * 1024


@pytest.fixture
def patient(transactional_db: None) -> Iterator[Server]:
    """A server that gives up a peer that does not read after 3 s."""
    started = new_server("sqlite", ACK_TIMEOUT_S=3, READER_LINGER_S=0)
    started.start()
    yield started
    started.stop()


def watched(server: Server) -> int:
    """How many feeds the server follows."""
    asking = HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        asking.request("GET", "/watched")
        return int(json.loads(asking.getresponse().read())["feeds"])
    finally:
        asking.close()


def memory(server: Server) -> int:
    """Bytes that the server's process holds in memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", (server.process / "status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def write_much(feed: str) -> None:
    """20 MB in 1,250 lines, which no zlib makes smaller: fewer than what is too far behind."""
    dice = random.Random(feed)
    for _ in range(25):
        lines = [dice.randbytes(8 * 1024).hex() for _ in range(50)]
        livefeed.append(feed, [livefeed.Chunk("t", "line", lines)])


def test_a_reader_that_does_not_read_costs_little_and_is_let_go_of(
    patient: Server, cookie: str, feed: str
) -> None:
    reading = Visitor(cookie, "stream").client(f"{feed} before", patient.port)
    write(f"{feed} before", 1)

    def warm_up() -> None:
        write_much(f"{feed} before")
        livefeed.close(f"{feed} before")

    follow_all(reading, meanwhile=warm_up)
    eventually(lambda: watched(patient) == 0)
    before = memory(patient)
    write(feed, 1)
    stuck = Visitor(cookie, "stream").client(feed, patient.port)
    assert isinstance(stuck, StreamClient)
    with stuck.open(buffer=4096) as answer:
        eventually(lambda: watched(patient) == 1)
        write_much(feed)
        assert memory(patient) - before < 8 * MIB
        eventually(lambda: watched(patient) == 0)
        livefeed.close(feed)
        stuck.go_on(answer)  # what was on its way still comes, and then the connection ends
    assert not stuck.ended
    assert 0 < stuck.seq < 1251
    [applied] = follow_all(stuck)
    applied.assert_is_log(feed)


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
@pytest.mark.parametrize("transport", ["stream", "poll"])
def test_clients_that_are_cut_off_leave_nothing_behind(
    cookie: str, feed: str, kind: str, transport: str
) -> None:
    server = new_server("sqlite", kind, READER_LINGER_S=0, POLL_WAIT_S=1)
    server.start()
    write(feed, 20)
    try:
        with ChaosProxy(("127.0.0.1", server.port)) as proxy:
            proxy.plan(Cut(size=700 + 97 * n, how="fin" if n % 2 else "rst") for n in range(30))
            client = Visitor(cookie, transport).client(feed, proxy.port)

            def produce() -> None:
                for _ in range(30):
                    write(feed, 20)
                eventually(lambda: client.seq == 620, DEADLINE_S)
                proxy.cut_all()
                write(feed, 20)
                eventually(lambda: client.seq == 640, DEADLINE_S)
                livefeed.close(feed)

            [applied] = follow_all(client, meanwhile=produce)
        eventually(lambda: watched(server) == 0)
    finally:
        server.stop()
    applied.assert_is_log(feed)
    assert client.connections > 10
