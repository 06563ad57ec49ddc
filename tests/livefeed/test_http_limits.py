"""Caps, lost rights and the drain, where the conversation goes over an event stream or a long poll."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from pytest_django import Settings

import livefeed
from livefeed.connections import connections
from tests.livefeed.oracle import write
from tests.livefeed.peer import Peer, events, off_loop
from tests.livefeed.test_streams import shrink
from tests.livefeed.visit import Visit
from tests.waiting import aeventually

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("project"),
    pytest.mark.urls("livefeed.urls"),
]

ACCEPTED = ["text/event-stream", "application/json"]


def polls(visit: Visit) -> bool:
    return (b"accept", b"application/json") in visit.scope["headers"]


def stands() -> bool:
    """Has a client been told that its subscription stands?"""
    members: Any = connections()._members
    return any(sub.sent and not sub.behind for member in members for sub in member._session.subscriptions)


async def waiting(visit: Visit) -> list[dict[str, Any]]:
    """What is said until the client has all there is; of a poll nothing is seen before its end."""
    if not polls(visit):
        return await visit.hear_until("caught_up")
    await aeventually(stands)
    return []


async def rest(visit: Visit) -> list[dict[str, Any]]:
    """What is said from here to the end."""
    if not polls(visit):
        return await visit.hear_until("bye")
    messages: list[dict[str, Any]] = json.loads(await visit.body())["m"]
    return messages


async def cursor(feed: str) -> dict[str, Any]:
    """Of a client that has everything, so that a poll waits."""
    await off_loop(write, feed, 3)
    return {"feed": feed, "epoch": (await off_loop(livefeed.head, feed)).epoch, "after": 3}


@pytest.mark.parametrize("accept", ACCEPTED)
async def test_streams_and_polls_have_their_part_together_with_sockets(
    cookie: str, olga: User, settings: Settings, accept: str
) -> None:
    shrink(settings, MAX_PER_USER=2, MAX_CONNECTIONS=3, RETRY_CAP_MS=20_000)
    at = await cursor("f")
    async with Visit(cookie, accept=accept, **at) as first, Peer(olga):
        await aeventually(lambda: connections().count == 2)
        assert first.status == 200
        async with Visit(cookie, accept=accept, **at) as second:
            assert (second.status, second.headers["retry-after"]) == (429, "20")
        shrink(settings, MAX_CONNECTIONS=2)
        async with Visit(cookie, accept=accept, **at) as second:
            assert (second.status, second.headers["retry-after"]) == (503, "20")
    await aeventually(lambda: connections().count == 0)


@pytest.mark.parametrize("accept", ACCEPTED)
async def test_whoever_is_signed_out_hears_nothing_more(cookie: str, accept: str, settings: Settings) -> None:
    def cut_and_write() -> None:
        Session.objects.all().delete()
        write("f", 5)

    shrink(settings, RECHECK_S=3600)
    async with Visit(cookie, accept=accept, **await cursor("f")) as visit:
        await waiting(visit)
        await off_loop(cut_and_write)
        heard = await rest(visit)
    assert heard[-1] == {"t": "bye", "code": 4501}
    assert events(heard).events == []


@pytest.mark.parametrize("accept", ACCEPTED)
async def test_a_drain_sends_them_away_and_lets_nobody_in(cookie: str, accept: str) -> None:
    at = await cursor("f")
    async with Visit(cookie, accept=accept, **at) as visit:
        await waiting(visit)
        draining = asyncio.create_task(livefeed.drain())
        heard = await rest(visit)
        await draining
        assert [message["t"] for message in heard if message["t"] != "hb"][-2:] == ["drain", "bye"]
        assert heard[-1]["code"] == 4000
    async with Visit(cookie, accept=accept, **at) as late:
        assert late.status == 503
