"""The event stream in process: what is said and heard, with a doorbell and without one."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.handlers.asgi import ASGIHandler
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.http import HttpRequest, HttpResponseBase
from django.test import AsyncClient, Client
from pytest_django import Settings

import livefeed
from livefeed import reader
from tests.livefeed.barrier import Barrier
from tests.livefeed.oracle import write
from tests.livefeed.peer import assert_is_log, events, off_loop
from tests.livefeed.serving import MIDDLEWARE
from tests.livefeed.visit import DEADLINE_S, Visit, nobody_watches, sub
from tests.waiting import aeventually

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("project"),
    pytest.mark.urls("livefeed.urls"),
]


def shrink(settings: Settings, **limits: Any) -> None:
    settings.LIVEFEED = settings.LIVEFEED | limits


async def test_a_reader_gets_the_past_then_the_present_then_the_end(cookie: str) -> None:
    await off_loop(write, "f", 35)
    async with Visit(cookie, feed="f") as visit:
        heard = await visit.hear_until("caught_up")
        assert [message["t"] for message in heard[:3]] == ["welcome", "subok", "ev"]
        await off_loop(write, "f", 12)
        await off_loop(livefeed.close, "f")
        heard += await visit.hear_until("end")
        assert heard[-1]["seq"] == 47
        await off_loop(livefeed.reopen, "f")
        await off_loop(write, "f", 3)
        await off_loop(livefeed.close, "f")
        heard += await visit.hear_until("end")
    await assert_is_log(events(heard), "f")
    await aeventually(nobody_watches)


async def test_what_moves_a_cursor_has_an_id_to_come_back_with(cookie: str) -> None:
    await off_loop(write, "f", 3)
    await off_loop(write, "g", 2)
    epochs = [(await off_loop(livefeed.head, key)).epoch for key in "fg"]
    subs = [sub(7, "g"), sub(5, "absent"), sub(3, "f", 1, epochs[0])]
    async with Visit(cookie, *subs) as visit:
        heard: list[dict[str, Any]] = []
        ids: dict[str, str] = {}  # the last one of each kind of message
        while len([message for message in heard if message["t"] == "caught_up"]) < 2:
            event = await visit.event()
            heard.append(json.loads(event["data"]))
            if "id" in event:
                ids[heard[-1]["t"]] = event["id"]
    assert ids.keys() == {"subok", "ev"}
    assert ids["ev"] == f"{epochs[1]}:2,:0,{epochs[0]}:3"
    await off_loop(write, "f", 1)
    async with Visit(cookie, *subs, headers={"Last-Event-ID": ids["ev"]}) as visit:
        told = set[tuple[str, int, int | None]]()
        while len(told) < 6:
            message = await visit.hear()
            if "id" in message:
                told.add((message["t"], message["id"], message.get("after", message.get("prev"))))
    assert {each for each in told if each[0] in {"subok", "ev"}} == {
        ("subok", 3, 3),
        ("ev", 3, 3),
        ("subok", 7, 2),
    }


async def test_nobody_compresses_stores_or_holds_back_a_stream(cookie: str, settings: Settings) -> None:
    settings.MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware", *MIDDLEWARE]
    await off_loop(write, "f", 500)
    async with Visit(cookie, headers={"Accept-Encoding": "gzip"}, feed="f") as visit:
        heard = await visit.hear_until("caught_up")
    await assert_is_log(events(heard), "f")
    assert visit.headers["content-type"] == "text/event-stream"
    assert visit.headers["content-encoding"] == "identity"
    assert visit.headers["cache-control"] == "no-store, no-transform"
    assert visit.headers["x-accel-buffering"] == "no"


async def test_a_stream_ends_in_time_and_says_so(cookie: str, settings: Settings) -> None:
    shrink(settings, STREAM_S=0.1)
    await off_loop(write, "f", 3)
    async with Visit(cookie, feed="f") as visit:
        heard = await visit.hear_until("bye")
        assert heard[-1] == {"t": "bye", "code": 4000}
        assert await visit.piece() is None
    await aeventually(nobody_watches)


async def test_a_silent_stream_has_heartbeats(cookie: str, settings: Settings) -> None:
    shrink(settings, HEARTBEAT_S=0.05)
    await off_loop(write, "f", 3)
    async with Visit(cookie, feed="f") as visit:
        await visit.hear_until("caught_up")
        assert (await visit.hear_until("hb"))[-1]["heads"] == {"1": 3}


async def test_a_refused_subscription_leaves_the_others_alone(cookie: str) -> None:
    await off_loop(write, "f", 3)
    await off_loop(write, "secret", 3)
    refused = [sub(1, "secret"), sub(2, "absent"), sub(3, "f", 5), sub(4, "f", 9, "foreign")]
    told: dict[int, str | None] = {}
    async with Visit(cookie, *refused, sub(5, "f")) as visit:
        while len(told) < 5:
            message = await visit.hear()
            if message["t"] in {"subok", "err", "reset"}:
                told[message["id"]] = message.get("code") or message.get("reason")
    assert told == {1: "forbidden", 2: "not_found", 3: "bad", 4: "epoch", 5: None}
    async with Visit(cookie, sub(1, "secret")) as visit:
        assert [message["t"] for message in await visit.hear_until("bye")] == ["welcome", "err", "bye"]


async def test_rights_that_are_lost_end_a_stream(cookie: str, settings: Settings) -> None:
    shrink(settings, RECHECK_S=0.05)
    await off_loop(write, "f", 3)
    async with Visit(cookie, feed="f") as visit:
        await visit.hear_until("caught_up")
        await off_loop(Session.objects.all().delete)
        assert (await visit.hear_until("bye"))[-1]["code"] == 4501


async def test_a_right_to_one_feed_that_is_lost_ends_that_one(
    cookie: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(settings, RECHECK_S=0.05)
    for key in "fg":
        await off_loop(write, key, 3)
    async with Visit(cookie, sub(1, "f"), sub(2, "g")) as visit:
        heard = await visit.hear_until("caught_up")
        heard += await visit.hear_until("caught_up")
        monkeypatch.setattr("tests.livefeed.serving.may_read", lambda user, feed: feed == "g")
        assert (await visit.hear_until("err"))[-1] == {"t": "err", "id": 1, "code": "forbidden"}
        await off_loop(write, "g", 1)
        assert (await visit.hear_until("ev"))[-1]["id"] == 2
        monkeypatch.setattr("tests.livefeed.serving.may_read", lambda user, feed: False)
        heard = await visit.hear_until("bye")
        assert [heard[-2]["code"], heard[-1]["code"]] == ["forbidden", 4503]


async def test_rights_that_cannot_be_asked_end_a_stream(
    cookie: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(user: User, feed: str) -> bool:
        raise ConnectionError("the directory is down")

    shrink(settings, RECHECK_S=0.05)
    await off_loop(write, "f", 3)
    async with Visit(cookie, feed="f") as visit:
        await visit.hear_until("caught_up")
        monkeypatch.setattr("tests.livefeed.serving.may_read", broken)
        assert (await visit.hear_until("bye"))[-1]["code"] == 1011


async def test_a_failed_reader_takes_its_streams_along(cookie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await off_loop(write, "f", 3)
    async with Visit(cookie, feed="f") as visit:
        await visit.hear_until("caught_up")
        monkeypatch.setattr(reader, "_look_at", lambda *_: 1 / 0)
        await off_loop(write, "f", 1)
        assert (await visit.hear_until("bye"))[-1]["code"] == 4008


@pytest.mark.parametrize("heard", range(5))
async def test_a_client_that_goes_at_any_moment_leaves_nothing_behind(cookie: str, heard: int) -> None:
    await off_loop(write, "f", 3)
    async with Visit(cookie, feed="f") as visit:  # welcome, subok, ev, caught_up
        for _ in range(heard):
            await visit.hear()
    await aeventually(nobody_watches)


async def test_a_client_that_goes_during_the_first_look_leaves_nothing_behind(
    cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await off_loop(write, "f", 3)
    barrier = Barrier()
    monkeypatch.setattr(reader, "_look_at", barrier.before(reader._look_at))
    async with Visit(cookie, feed="f") as visit:
        await visit.hear()
        await aeventually(barrier.reached.is_set)
    barrier.lift()
    await aeventually(nobody_watches)


async def test_a_client_that_does_not_read_is_let_go_of(cookie: str, settings: Settings) -> None:
    shrink(settings, ACK_TIMEOUT_S=0.1)
    await off_loop(write, "f", 3)
    visit = Visit(cookie, feed="f")
    taken: list[dict[str, Any]] = []
    asked = iter([{"type": "http.request"}])

    async def receive() -> Any:
        return next(asked, None) or await asyncio.Future()

    async def send(message: Any) -> None:
        taken.append(message)
        if len(taken) == 4:  # the head, welcome, subok; and now the events: the buffers are full
            await asyncio.Future()

    async with asyncio.timeout(DEADLINE_S):
        await ASGIHandler()(visit.scope, receive, send)
    assert b'"t":"ev"' in taken[-1]["body"]
    await aeventually(nobody_watches)


def synchronous(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Any:
    """A middleware as most are: Django keeps a thread for it while the view runs, and what it asks with."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        assert request.user.is_authenticated
        return get_response(request)

    return middleware


def held() -> tuple[int, int]:
    """Threads that Django keeps for requests, and open connections of all threads but livefeed's own.

    Not open files: SQLite keeps that of a closed connection while another connection is in use.
    """
    threads = threading.enumerate()
    own = {each.ident for each in threads if each.name.startswith("livefeed-")}
    wrappers: list[Any] = [each for each in gc.get_objects() if type(each) is DatabaseWrapper]
    connections = [each for each in wrappers if each.connection and each._thread_ident not in own]
    return sum(each.name.startswith("ThreadPoolExecutor") for each in threads), len(connections)


async def test_streams_and_polls_that_wait_hold_no_thread_and_no_connection(
    cookie: str, settings: Settings
) -> None:
    settings.MIDDLEWARE = [*MIDDLEWARE, "tests.livefeed.test_streams.synchronous"]
    await off_loop(write, "f", 3)
    at = {"feed": "f", "after": 3, "epoch": (await off_loop(livefeed.head, "f")).epoch}

    async with AsyncExitStack() as stack:
        before = held()
        assert before[1], "that of this thread"

        def no_more() -> bool:
            return all(now <= then for now, then in zip(held(), before, strict=True))

        visits = [
            await stack.enter_async_context(Visit(cookie, accept=kind, **at))
            for kind in ["text/event-stream", "application/json"] * 8
        ]
        await aeventually(no_more)
        await off_loop(write, "f", 1)
        for visit in visits:
            assert b'"to":4' in await visit.body(b'"t":"ev"')
        await aeventually(no_more)


def test_without_an_asgi_server_a_stream_is_refused(cookie: str, olga: User) -> None:
    browser = Client()
    browser.force_login(olga)
    write("f", 3)
    answer = browser.get("/livefeed/", {"feed": "f"}, headers={"Accept": "text/event-stream"})
    assert (answer.status_code, answer.json()["error"][:27]) == (501, "live feeds need an ASGI ser")


@pytest.mark.parametrize(
    ("query", "headers", "status", "error"),
    [
        ("", {}, 400, "feed is needed"),
        ("feed=", {}, 400, "feed is needed"),
        ("feed=%00", {}, 400, "feed is needed"),
        (f"feed={'f' * 201}", {}, 400, "feed is needed"),
        ("feed=f&after=x", {}, 400, "after must be a number"),
        ("feed=f&after=1_0", {}, 400, "after must be a number"),
        ("feed=f&after=-1", {}, 400, "out of range"),
        ("feed=f&after=5", {}, 400, "needs its epoch"),
        ("feed=f&wait=soon", {}, 400, "wait"),
        ("sub=f", {}, 400, "sub: no JSON"),
        ('sub={"t":"ping","n":1}', {}, 400, "sub message"),
        ('sub={"t":"sub","id":"1"}', {}, 400, "id must be an integer"),
        ("&".join(['sub={"t":"sub","id":1,"feed":"f","after":0}'] * 2), {}, 400, "an id of its own"),
        ("&".join(f'sub={{"t":"sub","id":{n}}}' for n in range(33)), {}, 400, "at most 32"),
        ("feed=f", {"Last-Event-ID": "7"}, 400, "out of range"),
        ("feed=f", {"Last-Event-ID": "e:x"}, 400, "no list of cursors"),
        ("feed=f", {"Last-Event-ID": "e:-1"}, 400, "out of range"),
        ("feed=f", {"Last-Event-ID": "e:1,e:1"}, 400, "another number"),
        ("feed=f", {"Accept": "text/html"}, 406, "text/event-stream"),
        ("feed=f", {"Origin": "http://evil.test"}, 403, "forbidden"),
        ("feed=f", {"Origin": "null"}, 403, "forbidden"),
    ],
)
async def test_a_query_that_is_none_gets_its_reason(
    olga: User, query: str, headers: dict[str, str], status: int, error: str
) -> None:
    browser = AsyncClient()
    await browser.aforce_login(olga)
    answer = await browser.get(f"/livefeed/?{query}", headers=headers)
    assert answer.status_code == status
    assert error in answer.json()["error"]
    assert answer["Cache-Control"] == "no-store"


async def test_only_those_who_are_signed_in_may_ask_and_only_ask(olga: User) -> None:
    browser = AsyncClient()
    assert (await browser.get("/livefeed/?feed=f")).status_code == 401
    await browser.aforce_login(olga)
    for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        assert (await browser.generic(method, "/livefeed/?feed=f")).status_code == 405


def known_by_header(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Any:
    """What a token or a proxy's header does: a user, and no session that signed them in."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        request.user = User.objects.get(username=request.headers["X-User"])
        return get_response(request)

    return middleware


async def test_whoever_is_known_without_a_session_is_looked_up_anew(olga: User, settings: Settings) -> None:
    shrink(settings, RECHECK_S=0.05)
    settings.MIDDLEWARE = [*MIDDLEWARE, "tests.livefeed.test_streams.known_by_header"]
    await off_loop(write, "f", 3)
    async with Visit("", headers={"X-User": "olga"}, feed="f") as visit:
        await visit.hear_until("caught_up")
        await off_loop(User.objects.update, is_active=False)
        assert (await visit.hear_until("bye"))[-1]["code"] == 4501
