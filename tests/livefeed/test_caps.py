"""Nobody can have more of the server than their part: each cap, how it is said, and that it is given back."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from pytest_django import Settings

from livefeed.connections import MINUTE_S, address_of, connections
from livefeed.consumers import FeedConsumer
from livefeed.protocol import MAX_MESSAGE_BYTES, SUBPROTOCOL
from livefeed.reader import readers
from tests.livefeed.conftest import new_server
from tests.livefeed.oracle import write
from tests.livefeed.peer import Denied, Peer, assert_is_log, events, off_loop
from tests.livefeed.raw_client import CutOff, Wire
from tests.livefeed.serving import LIVEFEED, ORIGIN, Server
from tests.waiting import aeventually

pytestmark = pytest.mark.django_db(transaction=True)

CAN_DENY: dict[str, Any] = {"extensions": {"websocket.http.response": {}}}


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> Settings:
    """A doorbell is of no account here."""
    settings.LIVEFEED = LIVEFEED
    return settings


def limit(settings: Settings, **values: Any) -> None:
    settings.LIVEFEED = settings.LIVEFEED | values


async def refusal(user: Any, **scope: Any) -> int:
    """The code with which a new socket is closed, or the status of its handshake."""
    try:
        async with Peer(user, greet=False, **scope) as peer:
            return await peer.close_code()
    except Denied as denied:
        return denied.status


async def test_one_socket_more_than_a_user_may_have_is_told_to_come_back(
    olga: User, limits: Settings
) -> None:
    limit(limits, MAX_PER_USER=3)
    paul = await off_loop(User.objects.create_user, "paul")
    async with Peer(olga), Peer(olga):
        async with Peer(olga):
            assert await refusal(olga, **CAN_DENY) == 4013
            async with Peer(paul):
                pass
        async with Peer(olga):
            pass


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("198.51.100.7", "198.51.100.7", True),
        ("198.51.100.7", "198.51.100.8", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:198.51.100.7", "198.51.100.7", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("127.0.0.1", "127.0.0.1", False),
        ("::1", "::1", False),
        ("testclient", "testclient", False),
    ],
)
async def test_an_address_has_its_part(
    olga: User, limits: Settings, first: str, second: str, together: bool
) -> None:
    limit(limits, MAX_PER_ADDRESS=1)
    async with Peer(olga, client=(first, 1)):
        if together:
            assert await refusal(olga, client=(second, 2)) == 4013
        else:
            async with Peer(olga, client=(second, 2)):
                pass


def test_a_server_without_addresses_counts_none() -> None:
    assert address_of({}) is address_of({"client": None}) is None


@pytest.mark.parametrize(("scope", "answer"), [(CAN_DENY, 503), ({}, 1013)], ids=["can deny", "cannot"])
async def test_a_full_process_says_so_before_the_handshake_where_the_server_can(
    olga: User, limits: Settings, scope: dict[str, Any], answer: int
) -> None:
    limit(limits, MAX_CONNECTIONS=2)
    async with Peer(olga), Peer(olga):
        assert await refusal(olga, **scope) == answer
    async with Peer(olga):
        pass


async def test_strangers_are_told_to_sign_in_until_there_are_too_many(limits: Settings) -> None:
    limit(limits, STRANGERS_PER_MINUTE=3)
    here = {"client": ("198.51.100.7", 1)}
    nobody = AnonymousUser()
    assert [await refusal(nobody, **here) for _ in range(4)] == [4501, 4501, 4501, 4013]
    assert await refusal(nobody, **here, **CAN_DENY) == 429
    assert await refusal(nobody, client=("198.51.100.8", 1)) == 4501
    connections()._strangers_since -= MINUTE_S
    assert await refusal(nobody, **here) == 4501


async def test_a_thousand_messages_at_once_are_too_many(olga: User, limits: Settings) -> None:
    limit(limits, MESSAGES_PER_S=0.001)  # however long it takes, they are at once
    async with Peer(olga) as peer:
        for number in range(1000):
            await peer.say(t="ping", n=number)
        heard: list[dict[str, Any]] = []
        assert await peer.close_code(heard) == 4029
    assert len(heard) < 100


async def test_acks_of_what_was_sent_are_never_too_many(olga: User, limits: Settings) -> None:
    limit(limits, MESSAGES_PER_S=0.001, MESSAGES_BURST=2)
    await off_loop(write, "f", 1000, per_append=5)
    async with Peer(olga) as peer:
        await peer.sub("f")
        heard = await peer.hear_until("caught_up")
        await assert_is_log(events(heard), "f")
        await peer.say(t="ack", id=1, seq=1000)
        assert await peer.close_code() == 4029


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (json.dumps({"t": "ping", "n": 1, "x": "x" * (17 * 1024)}), 1009),
        (json.dumps({"t": "ping", "n": 1, "x": "好" * (MAX_MESSAGE_BYTES // 2)}, ensure_ascii=False), 1009),
        ('{"t":"ping","n":1,"x":' + "[" * 16_000, 4500),
        ('{"t":"ping","n":1,"x":' + "[" * 8 + "]" * 8 + "}", 4500),
        ('{"t":"ping","n":' + "9" * 16_000 + "}", 4500),
        ('{"t":"ping","n":1e999}', 4500),
        ("[]", 4500),
        ('{"t":"launch","id":1}', 4500),
        ('{"t":["sub"],"id":1}', 4500),
        ('{"id":1}', 4500),
        ("", 4500),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_what_is_not_our_protocol_closes_the_socket(olga: User, text: str, code: int) -> None:
    async with Peer(olga) as peer:
        await peer.say_text(text)
        assert await peer.close_code() == code


async def test_unknown_fields_and_what_is_in_them_are_ignored(olga: User) -> None:
    async with Peer(olga) as peer:
        await peer.say(t="ping", n=7, later={"a": [{"b": [[{"c": "[" * 20}]]}]})
        assert await peer.hear() == {"t": "pong", "n": 7}


@pytest.mark.parametrize("offered", [("console.v0",), (), ("livefeed.v0", "chat")])
async def test_another_sub_protocol_means_reload(olga: User, offered: tuple[str, ...]) -> None:
    async with Peer(olga, subprotocols=offered, greet=False) as peer:
        assert peer.subprotocol is None
        assert await peer.close_code() == 4506


async def test_ours_among_several_is_taken(olga: User) -> None:
    async with Peer(olga, subprotocols=("livefeed.v2", SUBPROTOCOL)) as peer:
        assert peer.subprotocol == SUBPROTOCOL


async def test_an_id_in_use_and_one_feed_too_many_are_answered(olga: User) -> None:
    await off_loop(write, "f", 1)
    async with Peer(olga) as peer:
        for number in range(1, 33):
            await peer.sub("f", number=number)
        for number, word in ((1, "bad"), (33, "busy")):
            await peer.sub("f", number=number)
            error = (await peer.hear_until("err"))[-1]
            assert (error["id"], error["code"]) == (number, word)
        await peer.say(t="unsub", id=1)
        await peer.sub("f", number=33)
        while (await peer.hear_until("subok"))[-1]["id"] != 33:
            pass


async def test_whoever_says_no_hello_is_closed_and_counts_until_then(olga: User, limits: Settings) -> None:
    limit(limits, HELLO_S=3600, MAX_PER_USER=1)
    async with Peer(olga, greet=False):
        assert await refusal(olga) == 4013
    limit(limits, HELLO_S=0.1)
    async with Peer(olga, greet=False) as peer:
        assert await peer.close_code() == 4003
        await aeventually(lambda: connections().count == 0)


class Broken(Exception):
    """The server breaks down."""


HELLO = {"t": "hello"}
SUB = {"t": "sub", "id": 1, "feed": "f", "epoch": None, "after": 0}


@pytest.mark.parametrize("how", ["cancelled", "failed"])
@pytest.mark.parametrize("says", [(HELLO,), (HELLO, SUB), (HELLO, SUB, {"t": "launch"})], ids=len)
async def test_nobody_stays_behind_whatever_is_cut_short(
    olga: User, limits: Settings, says: tuple[dict[str, Any], ...], how: str
) -> None:
    """Cut at each message to the client in turn: accept, welcome, subok, events, heartbeat or close."""
    limit(limits, HEARTBEAT_S=0.02)
    await off_loop(write, "f", 20)
    for last in range(1, 7):
        await _cut_at(olga, says, last, how)
        assert connections().count == 0
        assert not any(reader._watchers for reader in readers()._readers.values())
        here = asyncio.current_task()
        left = {task.get_name() for task in asyncio.all_tasks() if task is not here}
        assert left <= {"livefeed reader f"}  # it lingers, and has nobody to wake


async def _cut_at(user: User, says: tuple[dict[str, Any], ...], last: int, how: str) -> None:
    """A socket whose message number `last` to the client does not get through."""
    waiting = [{"type": "websocket.receive", "text": json.dumps(message)} for message in says]
    waiting.insert(0, {"type": "websocket.connect"})
    reached = asyncio.Event()
    count = 0

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: dict[str, Any]) -> None:
        nonlocal count
        count += 1
        if count == last:
            reached.set()
            if how == "failed":
                raise Broken
            await asyncio.Event().wait()

    scope = {"type": "websocket", "path": "/livefeed/", "user": user, "subprotocols": [SUBPROTOCOL]}
    consumer: Any = FeedConsumer.as_asgi()
    socket: asyncio.Task[None] = asyncio.create_task(consumer(scope, receive, send))
    socket.add_done_callback(lambda _: reached.set())
    await reached.wait()
    socket.cancel()
    await asyncio.gather(socket, return_exceptions=True)


@pytest.fixture
def small_server(db: None) -> Iterator[Server]:
    """A real server with room for few."""
    started = new_server("sqlite", MAX_CONNECTIONS=5, MAX_PER_ADDRESS=2)
    started.start()
    yield started
    started.stop()


def handshake(port: int, headers: dict[str, str]) -> tuple[int, str | None]:
    """The status of a handshake that is refused, and when to come back."""
    asked = headers | {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    asked |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": SUBPROTOCOL}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/livefeed/", headers=asked)
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.headers["Retry-After"]


def page_status(port: int, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/livefeed/history?feed=f&after=0", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def closed_with(wire: Wire) -> Any:
    try:
        while True:
            wire.hear()
    except CutOff as cut:
        return cut.args[0]


def test_a_real_server_at_its_caps_still_answers_pages(small_server: Server, cookie: str) -> None:
    write("f", 5)
    port, hers = small_server.port, {"Cookie": cookie, "Origin": ORIGIN}
    elsewhere = hers | {"X-Forwarded-For": "203.0.113.9"}
    with ExitStack() as stack:

        def come(headers: dict[str, str]) -> Wire:
            wire = stack.enter_context(Wire(port, headers))
            wire.say(t="hello", client="test")
            assert wire.hear()["t"] == "welcome"
            return wire

        come(elsewhere)
        come(elsewhere)
        assert closed_with(stack.enter_context(Wire(port, elsewhere))) == 4013
        big, hasty, quiet = come(hers), come(hers), come(hers)
        assert handshake(port, hers) == (503, "30")
        assert page_status(port, hers) == 200
        big.say(t="ping", n=1, x="x" * 17 * 1024)
        assert closed_with(big) == 1009
        for number in range(1000):
            hasty.say(t="ping", n=number)
        assert closed_with(hasty) == 4029
        quiet.say(t="ping", n=7)
        assert quiet.hear() == {"t": "pong", "n": 7}
        come(hers)
        come(hers)
        assert handshake(port, hers)[0] == 503
