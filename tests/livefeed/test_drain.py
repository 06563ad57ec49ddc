"""A server that ends: everybody is told, everybody leaves at a moment of their own, nobody holds it up."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, aclosing
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import Settings
from typing_extensions import override

import livefeed
from livefeed.client import Group
from livefeed.connections import connections
from livefeed.consumers import FeedConsumer
from livefeed.protocol import SUBPROTOCOL
from rollcast.demo.browser import Browser
from tests.chaos import ChaosProxy
from tests.cli.test_processes import rollcast, running
from tests.livefeed.conftest import new_server
from tests.livefeed.crowd import Crowd
from tests.livefeed.followers import RAW, Follower, ReferenceClient, Visitor, follow_all
from tests.livefeed.oracle import assert_flat, write
from tests.livefeed.peer import Denied, Peer, assert_is_log, events, off_loop
from tests.livefeed.raw_client import CutOff, Wire
from tests.livefeed.serving import LIVEFEED, ORIGIN
from tests.waiting import aeventually, eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> Settings:
    settings.LIVEFEED = LIVEFEED | {"RETRY_FIRST_MAX_MS": 700}
    return settings


def limit(settings: Settings, **values: Any) -> None:
    settings.LIVEFEED = settings.LIVEFEED | values


async def test_everybody_is_told_when_to_leave_and_leaves(olga: User, limits: Settings) -> None:
    limit(limits, DRAIN_PER_S=50)  # 30 leave over 600 ms
    await off_loop(write, "f", 20)
    heard: list[list[dict[str, Any]]] = []
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(Peer(olga)) for _ in range(30)]
        for peer in peers:
            await peer.sub("f")
            heard.append(await peer.hear_until("caught_up"))
        await livefeed.drain()
        assert connections().count == 0
        for peer, messages in zip(peers, heard, strict=True):
            assert await peer.close_code(messages) == 4000
    told = [[message for message in messages if message["t"] == "drain"] for messages in heard]
    assert [[each["retry_ms"] for each in messages] for messages in told] == [[700]] * 30
    times = [messages[0]["in_ms"] for messages in told]
    assert 0 <= min(times) <= max(times) <= 600
    assert len({time // 60 for time in times}) > 3, "by chance: not all at the same moment"
    for messages in heard:
        await assert_is_log(events(messages), "f")


async def test_300_leave_at_moments_that_are_spread_flat(olga: User, limits: Settings) -> None:
    limit(limits, DRAIN_PER_S=600)
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(Peer(olga)) for _ in range(300)]
        await livefeed.drain()
        assert_flat([(await peer.hear())["in_ms"] for peer in peers], 500)


async def test_lines_go_on_until_the_close(olga: User, limits: Settings) -> None:
    limit(limits, DRAIN_PER_S=1e-9, DRAIN_S=1e9)  # nobody leaves soon by chance
    async with Peer(olga) as peer:
        await off_loop(write, "f", 1)
        await peer.sub("f")
        heard = await peer.hear_until("caught_up")
        draining = asyncio.create_task(livefeed.drain())
        assert (await peer.hear_until("drain"))[-1]["in_ms"] > 0
        await off_loop(write, "f", 9)
        heard += await peer.hear_until("ev")
        await assert_is_log(events(heard), "f")
        draining.cancel()


async def test_whoever_has_not_said_hello_is_sent_away_without_a_word(olga: User) -> None:
    async with Peer(olga, greet=False) as peer:
        await aeventually(lambda: connections().count == 1)
        heard: list[dict[str, Any]] = []
        await livefeed.drain()
        assert await peer.close_code(heard) == 4000
    assert heard == []


async def test_a_peer_that_does_not_read_holds_nobody_up_and_nobody_new_gets_in(
    olga: User, limits: Settings
) -> None:
    limit(limits, DRAIN_S=0.5)
    stalled = asyncio.create_task(_stalled_at_welcome(olga))
    await aeventually(lambda: connections().count == 1)
    draining = asyncio.create_task(livefeed.drain())
    await asyncio.sleep(0)
    with pytest.raises(Denied) as denied:
        await Peer(olga, extensions={"websocket.http.response": {}}).__aenter__()
    assert (denied.value.status, denied.value.retry_after) == (503, "1")
    async with Peer(olga, greet=False) as peer:
        assert await peer.close_code() == 1012
    async with asyncio.timeout(10):
        await draining
    assert connections().count == 1
    stalled.cancel()
    await asyncio.gather(stalled, return_exceptions=True)


async def _stalled_at_welcome(user: User) -> None:
    said = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": '{"t":"hello"}'}]

    async def receive() -> dict[str, Any]:
        if not said:
            await asyncio.Event().wait()
        return said.pop(0)

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            await asyncio.Event().wait()

    scope = {"type": "websocket", "path": "/livefeed/", "user": user, "subprotocols": [SUBPROTOCOL]}
    consumer: Any = FeedConsumer.as_asgi()
    await consumer(scope, receive, send)


async def test_nobody_to_drain_takes_no_time(limits: Settings) -> None:
    limit(limits, DRAIN_S=3600)
    await livefeed.drain()


def hear_out(wire: Wire) -> tuple[list[str], Any]:
    """The kinds of messages until the server closes, and the close code."""
    kinds: list[str] = []
    try:
        while True:
            kinds.append(wire.hear()["t"])
    except CutOff as cut:
        return kinds, cut.args[0]


@pytest.mark.parametrize(
    ("kind", "kinds", "code"),
    [("launcher", ["drain"], 4000), ("uvicorn", [], 1012)],
    ids=lambda value: str(value),
)
def test_sigterm_sends_everybody_away(cookie: str, kind: str, kinds: list[str], code: int) -> None:
    """By our launcher with a word before; by uvicorn alone, as a mounting project may run it, with 1012."""
    server = new_server("sqlite", kind)
    server.start()
    with ExitStack() as stack, ThreadPoolExecutor(10) as pool:
        wires = [
            stack.enter_context(Wire(server.port, {"Cookie": cookie, "Origin": ORIGIN})) for _ in range(10)
        ]
        for wire in wires:
            wire.say(t="hello", client="test")
            assert wire.hear()["t"] == "welcome"
        heard = [pool.submit(hear_out, wire) for wire in wires]
        assert server.stop() == -signal.SIGTERM
        assert [each.result() for each in heard] == [(kinds, code)] * 10


def test_a_redeploy_under_load_costs_nobody_a_line(visitor: Visitor, feed: str) -> None:
    mortal = new_server("sqlite", "launcher", DRAIN_PER_S=20, DRAIN_S=1)
    mortal.start()
    write(feed, 100)
    with ChaosProxy(("127.0.0.1", mortal.port)) as proxy, ThreadPoolExecutor(1) as pool:
        clients = [visitor.client(feed, proxy.port, attempts=5000) for _ in range(4)]

        def redeploy() -> None:
            eventually(lambda: all(client.seq >= 100 for client in clients))
            writing = pool.submit(write, feed, 300, per_append=5)
            assert mortal.stop() == -signal.SIGTERM
            mortal.start()
            proxy.retarget(mortal.port)
            writing.result()
            livefeed.close(feed)

        try:
            applied = follow_all(*clients, meanwhile=redeploy)
        finally:
            mortal.stop()
    for each in applied:
        each.assert_is_log(feed)
    assert all(client.connections > 1 for client in clients)


def all_have_moved_on(clients: Sequence[Follower], since: Sequence[int]) -> bool:
    return all(client.seq > seq for client, seq in zip(clients, since, strict=True))


@pytest.mark.parametrize(
    ("restarts", "pause_s"), [(2, 0), pytest.param(12, 5, marks=pytest.mark.long)], ids=["twice", "a minute"]
)
def test_a_rolling_restart_of_two_processes_costs_nobody_a_line(
    cookie: str, feed: str, restarts: int, pause_s: float
) -> None:
    """Each in its turn, by SIGTERM and by kill -9, while lines come; whoever must go may find the other."""
    servers = [new_server("sqlite", "launcher", DRAIN_PER_S=20, DRAIN_S=1) for _ in range(2)]
    over = threading.Event()

    def produce() -> None:
        while not over.wait(0.02):
            write(feed, 5)
        livefeed.close(feed)
        connection.close()

    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        for server in servers:
            server.start()
            stack.callback(server.stop)
        proxy = stack.enter_context(ChaosProxy(("127.0.0.1", servers[0].port)))
        proxy.retarget(*(server.port for server in servers))
        write(feed, 10)
        clients = [
            Visitor(cookie, kind).client(feed, proxy.port, attempts=50_000) for kind in ("reference", *RAW)
        ]

        def restart() -> None:
            writing = pool.submit(produce)
            stack.callback(over.set)
            hows = cycle([signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
            for server, how in islice(zip(cycle(servers), hows), restarts):
                eventually(partial(all_have_moved_on, clients, [client.seq for client in clients]))
                assert server.stop(how) == -how
                server.start()
                proxy.retarget(*(server.port for server in servers))
                threading.Event().wait(pause_s)
            over.set()
            writing.result()

        applied = follow_all(*clients, meanwhile=restart)
    for each in applied:
        each.assert_is_log(feed)
    assert all(client.connections > 1 for client in clients)


@pytest.mark.long
def test_300_clients_come_back_after_a_redeploy_and_have_every_line(cookie: str, feed: str) -> None:
    """With everything as it is shipped. When they came back is told (`pytest -rP` shows it)."""
    mortal = new_server("sqlite", "launcher")
    mortal.start()
    write(feed, 100)
    came_back: list[float] = []

    class Returning(ReferenceClient):
        @override
        async def _connection(self) -> AsyncGenerator[Group, None]:
            if self.connections:
                came_back.append(time.monotonic())
            async with aclosing(super()._connection()) as groups:
                async for group in groups:
                    yield group

    with ChaosProxy(("127.0.0.1", mortal.port)) as proxy, ThreadPoolExecutor(1) as pool:
        address = f"127.0.0.1:{proxy.port}/livefeed"
        headers = {"Cookie": cookie, "Origin": ORIGIN}
        addresses = (f"ws://{address}/", f"http://{address}/history")
        crowd = Crowd([Returning(*addresses, headers, feed, attempts=100) for _ in range(300)])
        try:
            eventually(lambda: all(client.seq >= 100 for client in crowd.clients), 60)
            writing = pool.submit(write, feed, 300, per_append=5)
            began = time.monotonic()
            assert mortal.stop() == -signal.SIGTERM
            mortal.start()
            proxy.retarget(mortal.port)
            writing.result()
            livefeed.close(feed)
            crowd.assert_log()
        finally:
            mortal.stop()
    seconds = Counter(int(moment - began) for moment in came_back)
    sys.stdout.write(f"tries in each second after SIGTERM: {sorted(seconds.items())}\n")


def test_rollcast_up_drains_before_it_ends(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        with running("up", "--port", "0", "--json", "--home", str(home)) as (_, first):
            url = json.loads(first)["url"]
            browser = Browser(url)
            browser.sign_in(rollcast(home, "sign-in").stdout.strip())
            headers = {"Cookie": browser.cookie_header(), "Origin": url}
            wire = stack.enter_context(Wire(int(url.rpartition(":")[2]), headers))
            wire.say(t="hello", client="test")
            assert wire.hear()["t"] == "welcome"
            heard = pool.submit(hear_out, wire)
        assert heard.result() == (["drain"], 4000)
