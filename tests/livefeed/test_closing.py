"""Who is refused, what closes a socket, and with which code; with a doorbell and without one."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from pytest_django import Settings

from livefeed import reader
from tests.livefeed.oracle import write
from tests.livefeed.peer import Peer, assert_is_log, events, off_loop
from tests.waiting import aeventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bell")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", 4500),
        ("[]", 4500),
        ('{"t":"shout"}', 4500),
        ('{"t":"ping"}', 4500),
        ('{"t":"ping","n":"7"}', 4500),
        ('{"t":"sub","id":"1","feed":"f","after":0}', 4500),
        ("[" * 16_000, 4500),
        ('{"t":"ping","n":1,"x":"' + "é" * 8_200 + '"}', 1009),
    ],
    ids=range(8),
)
async def test_a_message_that_is_none_closes(olga: User, text: str, code: int) -> None:
    async with Peer(olga) as peer:
        await peer.say_text(text)
        assert await peer.close_code() == code


async def test_unknown_fields_are_ignored(olga: User) -> None:
    async with Peer(olga) as peer:
        await peer.say(t="ping", n=1, colour="blue")
        assert await peer.hear() == {"t": "pong", "n": 1}


async def test_without_hello_nothing_is_said(olga: User, settings: Settings) -> None:
    settings.LIVEFEED = settings.LIVEFEED | {"HELLO_S": 0.05}
    async with Peer(olga, greet=False) as peer:
        assert await peer.close_code() == 4003
    async with Peer(olga, greet=False) as peer:
        await peer.sub("f")
        assert await peer.close_code() == 4003


async def test_a_client_that_never_acknowledges_is_closed_and_loses_nothing(
    olga: User, settings: Settings
) -> None:
    settings.LIVEFEED = settings.LIVEFEED | {"ACK_TIMEOUT_S": 0.2}
    await off_loop(write, "f", 3000, per_append=200)
    async with Peer(olga) as peer:
        await peer.sub("f")
        heard: list[dict[str, Any]] = []
        assert await peer.close_code(heard) == 4001
    sent = sum(len(json.dumps(message)) for message in heard if message["t"] == "ev")
    assert 16 * 1024 <= sent < 3 * 16 * 1024, "the smallest window, and one message over it"
    applied = events(heard)
    async with Peer(olga) as peer:
        await peer.sub("f", applied.events[-1][0], heard[0]["epoch"])
        applied.events += events(await peer.hear_until("caught_up")).events
    await assert_is_log(applied, "f")


async def test_strangers_and_the_unentitled_are_told_why(olga: User) -> None:
    await off_loop(write, "secret", 1)
    await off_loop(write, "f", 1)
    async with Peer(AnonymousUser(), greet=False) as peer:
        assert peer.subprotocol == "livefeed.v1"
        assert await peer.close_code() == 4501
    async with Peer(olga, subprotocols=("livefeed.v0",), greet=False) as peer:
        assert await peer.close_code() == 4506
    async with Peer(olga) as peer:
        await peer.sub("f", number=1)
        await peer.hear_until("caught_up")
        await peer.sub("nothing", number=2)
        assert (await peer.hear_until("err"))[-1] == {"t": "err", "id": 2, "code": "not_found"}
        await peer.sub("secret", number=3)
        assert (await peer.hear_until("err"))[-1] == {"t": "err", "id": 3, "code": "forbidden"}
        await peer.say(t="unsub", id=1)
        await peer.sub("secret", number=4)
        assert await peer.close_code() == 4503


async def test_rights_that_go_end_the_subscription(olga: User, settings: Settings) -> None:
    settings.LIVEFEED = settings.LIVEFEED | {"RECHECK_S": 0.05}
    await off_loop(write, "f", 1)
    async with Peer(olga) as peer, Peer(olga) as other:
        for each in (peer, other):
            await each.sub("f")
            await each.hear_until("caught_up")
        settings.LIVEFEED = settings.LIVEFEED | {"MAY_READ": None}
        assert await peer.close_code() == 4503
    async with Peer(olga) as peer:
        await peer.sub("f")
        assert await peer.close_code() == 4503


async def test_a_deactivated_user_is_closed_out(olga: User, settings: Settings) -> None:
    settings.LIVEFEED = settings.LIVEFEED | {"RECHECK_S": 0.05}
    await off_loop(write, "f", 1)
    async with Peer(olga) as peer:
        await peer.sub("f")
        await peer.hear_until("caught_up")
        await off_loop(partial(type(olga)._default_manager.update, is_active=False))
        assert await peer.close_code() == 4501


async def test_a_reader_goes_away_after_its_last_watcher(olga: User, settings: Settings) -> None:
    settings.LIVEFEED = settings.LIVEFEED | {"READER_LINGER_S": 0.05}
    await off_loop(write, "f", 1)
    async with Peer(olga) as peer:
        await peer.sub("f")
        await peer.hear_until("caught_up")
        assert "f" in reader.readers()._readers
    await aeventually(lambda: "f" not in reader.readers()._readers)
