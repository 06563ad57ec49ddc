"""feed.js once it talks over HTTP: refusals, ends, wake-ups, and what each request asks for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.unit.feed_client import Client, accept, ev, start, start_over
from tests.browser.unit.scripted import WELCOME, Message, ScriptedFeed
from tests.browser.unit.scripted_http import Request, ScriptedHttp, caught_up, plain_answer, subok
from tests.browser.unit.site import Site
from tests.waiting import eventually

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _stripped(live: ScriptedHttp) -> None:
    """A proxy lets no WebSocket through."""
    live.shut = lambda: plain_answer("400 Bad Request")


def on_the_stream(page: Page, site: Site, live: ScriptedHttp, **times: int) -> tuple[Client, Request]:
    """Live on the first stream with events 1 and 2."""
    client = start_over(page, site, None, **times)
    stream = live.request(0, "stream")
    sub = stream.grant(head=2)
    stream.say(ev(sub, 1, 2), caught_up(sub, 2))
    client.goes_by("stream")
    return client, stream


def on_the_poll(page: Page, site: Site, live: ScriptedHttp, **times: int) -> tuple[Client, Request]:
    """Live by polls with events 1 and 2; the second poll waits."""
    client = start_over(page, site, None, **times)
    live.request(0, "stream").refuse(404)
    first = live.request(1, "poll")
    first.answer(subok(first.sub, 2), ev(first.sub, 1, 2), caught_up(first.sub, 2))
    client.goes_by("poll")
    return client, live.request(2, "poll")


@pytest.mark.parametrize(("status", "code"), [(400, 4500), (401, 4501), (403, 4503)])
@pytest.mark.parametrize("kind", ["stream", "poll"])
def test_a_refusal_stops_it_as_its_close_code_would(
    page: Page, site: Site, live: ScriptedHttp, kind: str, status: int, code: int
) -> None:
    if kind == "stream":
        client, request = start_over(page, site), live.request(0, "stream")
    else:
        client, request = on_the_poll(page, site, live)
    request.refuse(status, {"Content-Type": "application/json"}, b'{"error": "no"}')
    client.shows("stopped")
    assert client.status["code"] == code
    asked = len(live.requests)
    page.evaluate("() => dispatchEvent(new Event('online'))")
    assert len(live.requests) == asked


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("asks", ["seconds", "a date"])
def test_retry_after_is_kept_unless_a_person_is_impatient(
    page: Page, site: Site, live: ScriptedHttp, status: int, asks: str
) -> None:
    client = start_over(page, site)
    stream = live.request(0, "stream")
    date: str = page.evaluate("() => new Date(Date.now() + 60_000).toUTCString()")
    stream.refuse(status, {"Retry-After": "60" if asks == "seconds" else date})
    eventually(lambda: client.status["retryInMs"] > 50_000, what="a pause of a minute")
    page.evaluate("() => dispatchEvent(new Event('online'))")
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    assert (client.status["state"], len(live.requests)) == ("reconnecting", 1)
    page.evaluate("() => window.feed.reconnectNow()")
    assert live.request(1, "stream").sub["after"] == 0


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again_on_the_same_way(
    page: Page, site: Site, live: ScriptedHttp, status: int
) -> None:
    client = start_over(page, site)
    for n in range(3):
        live.request(n, "stream").refuse(status, {"Content-Type": "text/html"}, b"<h1>Sorry</h1>")
    sub = live.request(3, "stream").grant(head=1)
    live.requests[3].say(ev(sub, 1, 1), caught_up(sub, 1))
    client.sees(1)
    client.goes_by("stream")


@pytest.mark.parametrize("way", ["socket", "stream"])
def test_after_a_drain_it_comes_back_at_any_time_within_what_the_server_gives(
    page: Page, site: Site, live: ScriptedHttp, feed_server: ScriptedFeed, way: str
) -> None:
    drain: Message = {"t": "drain", "in_ms": 0, "retry_ms": 10**8}
    page.evaluate("() => { Math.random = () => 0.002; }")
    if way == "socket":
        client = start(page, feed_server)
        accept(feed_server.talk(0), head=0)
        feed_server.talk(0).say(drain)
        feed_server.talk(0).close(4000)
    else:
        client, stream = on_the_stream(page, site, live, stableMs=0)
        stream.say(drain, {"t": "bye", "code": 4000})
    client.shows("reconnecting")
    assert 100_000 < client.status["retryInMs"] <= 200_000


def test_the_next_pause_after_a_drain_is_an_ordinary_one(page: Page, feed_server: ScriptedFeed) -> None:
    page.evaluate("() => { Math.random = () => 0.5; }")
    client = start(page, feed_server)
    accept(feed_server.talk(0), head=0)
    feed_server.talk(0).say({"t": "drain", "in_ms": 0, "retry_ms": 20})
    feed_server.talk(0).close(4000)
    feed_server.talk(1).welcome(retry={"first_max_ms": 10**9, "cap_ms": 10**9})
    feed_server.talk(1).close(1012)
    client.shows("reconnecting")
    assert 500 < client.status["retryInMs"] <= 1000


@pytest.mark.parametrize("code", [1011, 4001, 4008, 4029])
def test_a_bye_is_like_a_close_that_may_come_back(
    page: Page, site: Site, live: ScriptedHttp, code: int
) -> None:
    client, stream = on_the_stream(page, site, live)
    stream.say({"t": "bye", "code": code})
    assert stream.gone.wait(10)
    again = live.request(1, "stream")
    assert again.sub["after"] == 2
    assert "reconnecting" in client.states
    sub = again.grant(head=3)
    again.say(ev(sub, 3, 3))
    client.sees(1, 2, 3)


@pytest.mark.parametrize("code", [4501, 4503, 4506])
def test_a_final_bye_stops_it(page: Page, site: Site, live: ScriptedHttp, code: int) -> None:
    client, poll = on_the_poll(page, site, live)
    poll.answer({"t": "bye", "code": code}, greet=False)
    client.shows("stopped")
    assert client.status["code"] == code


def test_a_stream_that_has_had_its_time_is_asked_for_again_and_stays_live(
    page: Page, site: Site, live: ScriptedHttp
) -> None:
    client, stream = on_the_stream(page, site, live, stableMs=1)
    states = len(client.states)
    stream.say(ev(stream.sub, 3, 3), {"t": "bye", "code": 4000})
    again = live.request(1, "stream")
    assert again.sub == stream.sub | {"epoch": "e1", "after": 3}
    sub = again.grant(head=4)
    again.say(ev(sub, 4, 4), caught_up(sub, 4))
    client.sees(1, 2, 3, 4)
    assert set(client.states[states:]) <= {"live"}


def test_text_is_read_over_any_cut_and_line_end(page: Page, site: Site, live: ScriptedHttp) -> None:
    client, stream = on_the_stream(page, site, live)
    batch = ev(stream.sub, 3, 3)
    batch["g"][0][5] = ["更新 ✓"]
    event = b"id: e1:3\r\ndata: " + json.dumps(batch, ensure_ascii=False).encode() + b"\r\n\r\n"
    for n in range(len(event)):
        stream.say_raw(event[n : n + 1])
    client.sees(1, 2, 3)
    assert page.evaluate("() => window.seen[2]") == [3, "更新 ✓"]


def rubbish(stream: Request) -> None:
    stream.say_raw(b"data: {not json\n\n")


def damaged_text(stream: Request) -> None:
    stream.say_raw(b'data: {"t":"weather","is":"\xff"}\n\n')


@pytest.mark.parametrize("say", [rubbish, damaged_text])
def test_rubbish_replaces_the_stream(page: Page, site: Site, live: ScriptedHttp, say: Any) -> None:
    client, stream = on_the_stream(page, site, live)
    say(stream)
    again = live.request(1, "stream")
    sub = again.grant(head=3)
    again.say(ev(sub, 3, 3))
    client.sees(1, 2, 3)


@pytest.mark.parametrize("by", ["the stream", "polls"])
def test_a_gap_is_asked_for_again_from_the_cursor(
    page: Page, site: Site, live: ScriptedHttp, by: str
) -> None:
    if by == "the stream":
        client, request = on_the_stream(page, site, live)
        request.say(ev(request.sub, 1, 2), ev(request.sub, 4, 4))
        again = live.request(1, "stream")
        sub = again.grant(head=4)
        again.say(ev(sub, 3, 4))
    else:
        client, request = on_the_poll(page, site, live)
        request.answer(ev(request.sub, 1, 2), ev(request.sub, 4, 4), ev(request.sub, 5, 5))
        again = live.request(3, "poll")
        again.answer(subok(again.sub, 4), ev(again.sub, 3, 4))
    assert again.sub["after"] == 2
    assert again.sub["id"] != request.sub["id"]
    client.sees(1, 2, 3, 4)


def test_polls_say_that_the_end_is_known_and_it_is_told_once(
    page: Page, site: Site, live: ScriptedHttp
) -> None:
    client, poll = on_the_poll(page, site, live)
    end = {"t": "end", "id": poll.sub["id"], "seq": 2}
    poll.answer(subok(poll.sub, 2, closed=True), caught_up(poll.sub, 2), end)
    known = live.request(3, "poll")
    assert (known.sub["ended"], known.wait) == (True, "25")
    known.answer(subok(known.sub, 2, closed=True), caught_up(known.sub, 2), end)
    reopened = live.request(4, "poll")
    reopened.answer(subok(reopened.sub, 3), ev(reopened.sub, 3, 3))
    client.sees(1, 2, 3)
    assert "ended" not in live.request(5, "poll").sub
    assert client.told == [("caughtup", {"seq": 2}), ("end", {"seq": 2})]


def test_a_server_that_does_not_wait_is_not_asked_in_a_circle(
    page: Page, site: Site, live: ScriptedHttp
) -> None:
    page.evaluate("""() => {
      window.pauses = 0;
      const real = setTimeout;
      window.setTimeout = (f, ms) => ((pauses += ms > 500_000 && ms <= 600_000), real(f, ms));
    }""")
    _, poll = on_the_poll(page, site, live, pollPauseMs=600_000)
    poll.answer(subok(poll.sub, 2), caught_up(poll.sub, 2))
    eventually(lambda: page.evaluate("() => window.pauses") == 1)
    assert len(live.requests) == 3


@pytest.mark.parametrize("how", ["reset", "half an answer"])
def test_a_poll_that_is_cut_is_asked_again_and_no_half_is_applied(
    page: Page, site: Site, live: ScriptedHttp, how: str
) -> None:
    client, poll = on_the_poll(page, site, live)
    if how == "reset":
        poll.cut()
    else:
        poll.answer_half(subok(poll.sub, 9), *(ev(poll.sub, n, n) for n in range(3, 10)))
    again = live.request(3, "poll")
    assert again.sub["after"] == 2
    again.answer(subok(again.sub, 3), ev(again.sub, 3, 3), caught_up(again.sub, 3))
    client.sees(1, 2, 3)
    client.goes_by("poll")


@pytest.mark.parametrize("by", ["the stream", "polls"])
def test_a_reset_is_announced_and_asked_on_from(page: Page, site: Site, live: ScriptedHttp, by: str) -> None:
    reset = {"t": "reset", "reason": "pruned", "epoch": "e1", "first": 31, "head": 31}
    if by == "the stream":
        client, request = on_the_stream(page, site, live)
        request.say(reset | {"id": request.sub["id"]})
        again = live.request(1, "stream")
        sub = again.grant(head=31)
        again.say(ev(sub, 31, 31))
    else:
        client, request = on_the_poll(page, site, live)
        request.answer(reset | {"id": request.sub["id"]})
        again = live.request(3, "poll")
        again.answer(subok(again.sub, 31), ev(again.sub, 31, 31))
    assert again.sub["after"] == 30
    client.sees(1, 2, 31)
    assert (client.told[-1][0], client.told[-1][1]["lost"]) == ("reset", 28)


def test_too_far_behind_it_reads_pages_and_asks_again_on_the_stream(
    page: Page, site: Site, live: ScriptedHttp
) -> None:
    client = start_over(page, site)
    stream = live.request(0, "stream")
    stream.welcome()
    whole = {"feed": "rollout/1", "epoch": "e1", "first": 1, "head": 6000, "closed": False}
    site.history = lambda query: (
        200,
        json.dumps(whole | {"prev": 0, "to": 6000, "g": ev({"id": 0}, 1, 6000)["g"]}),
    )
    stream.say(
        {"t": "reset", "id": stream.sub["id"], "reason": "too_far", "epoch": "e1", "first": 1, "head": 6000}
    )
    again = live.request(1, "stream")
    assert again.sub["after"] == 6000
    sub = again.grant(head=6000)
    again.say(caught_up(sub, 6000))
    client.goes_by("stream")
    assert len(client.seqs) == 6000


def test_silence_is_a_dead_stream(page: Page, site: Site, live: ScriptedHttp) -> None:
    client = start_over(page, site)
    stream = live.request(0, "stream")
    stream.begin()
    stream.say(WELCOME | {"dead_s": 0.3}, subok(stream.sub, 1))
    assert stream.gone.wait(10)
    sub = live.request(1, "stream").grant(head=1)
    live.requests[1].say(ev(sub, 1, 1))
    client.sees(1)


# In one go, as in a browser: between the two a glance would be due, and go out as a stream.
LOOK = """(now) => {
  Object.defineProperty(document, "visibilityState", { value: now, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_hidden_tab_goes_on_and_a_wake_up_asks_afresh(page: Page, site: Site, live: ScriptedHttp) -> None:
    client, stream = on_the_stream(page, site, live, answerMs=4000, glanceMs=100)
    page.evaluate(LOOK, "hidden")
    for n in (1, 2):
        glance = live.request(n, "poll")  # it holds no connection that the tab in front may need
        assert stream.gone.wait(10)
        assert (glance.wait, glance.sub["id"], glance.sub["after"]) == ("0", stream.sub["id"], n + 1)
        glance.answer(subok(glance.sub, n + 2), ev(glance.sub, n + 2, n + 2), caught_up(glance.sub, n + 2))
        client.sees(*range(1, n + 3))
        client.goes_by("stream")
    page.evaluate(LOOK, "visible")
    page.evaluate("() => document.dispatchEvent(new Event('resume'))")
    again = eventually(lambda: next((one for one in live.requests[3:] if one.kind == "stream"), None))
    assert again is not None
    assert again.sub["after"] == 4
    sub = again.grant(head=5)
    again.say(ev(sub, 5, 5))
    client.sees(1, 2, 3, 4, 5)
    client.goes_by("stream")
    asked = len(live.requests)
    page.evaluate(LOOK, "visible")
    deaf = live.request(asked, "stream")
    assert deaf.gone.wait(10)  # nothing came within answerMs
    assert live.request(asked + 1, "stream").sub["after"] == 5


def test_a_wake_up_replaces_a_poll_that_waits(page: Page, site: Site, live: ScriptedHttp) -> None:
    client, poll = on_the_poll(page, site, live)
    page.evaluate("() => dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    again = live.request(3, "poll")
    assert poll.gone.wait(10)
    assert (again.wait, again.sub["after"]) == ("0", 2)
    again.answer(subok(again.sub, 3), ev(again.sub, 3, 3), caught_up(again.sub, 3))
    client.sees(1, 2, 3)


SECOND = """(key) => {
  window.others = [...(window.others ?? []), feed.subscribe(key)];
  window.others.at(-1).addEventListener("events", (e) => told.push([key, { to: e.detail.to }]));
}"""


def test_many_feeds_share_one_request_each_from_its_own_cursor(
    page: Page, site: Site, live: ScriptedHttp
) -> None:
    client, stream = on_the_stream(page, site, live)
    page.evaluate(SECOND, "rollout/2")
    both = live.request(1, "stream")
    assert stream.gone.wait(10)
    assert [(sub["feed"], sub["after"]) for sub in both.subs] == [("rollout/1", 2), ("rollout/2", 0)]
    both.welcome()
    first, second = both.subs
    both.say(subok(first, 3), subok(second, 1), ev(second, 1, 1), ev(first, 3, 3))
    client.sees(1, 2, 3)
    eventually(lambda: ("rollout/2", {"to": 1}) in client.told)
    page.evaluate("() => window.sub.unsubscribe()")
    assert live.request(2, "stream").sub == second | {"epoch": "e1", "after": 1}
    page.evaluate("() => window.others[0].unsubscribe()")
    assert live.requests[2].gone.wait(10)
    page.evaluate(SECOND, "rollout/3")
    assert live.request(3, "stream").sub["feed"] == "rollout/3"


def test_more_feeds_than_one_request_may_have_are_busy_and_hurt_nobody(
    page: Page, site: Site, live: ScriptedHttp
) -> None:
    on_the_stream(page, site, live)
    page.evaluate(f"() => {{ for (let n = 2; n < 40; n += 1) ({SECOND})(`rollout/${{n}}`); }}")
    many = live.request(1, "stream")
    assert len(many.subs) == 32
    page.evaluate("() => new Promise((done) => setTimeout(done, 200))")
    assert len(live.requests) == 2
