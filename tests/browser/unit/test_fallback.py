"""feed.js where no WebSocket gets through: which way it takes, and that no seam loses or doubles an event."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.unit.feed_client import Client, accept, ev, start_over
from tests.browser.unit.scripted import ScriptedFeed
from tests.browser.unit.scripted_http import Request, ScriptedHttp, caught_up, plain_answer, subok
from tests.browser.unit.site import Site
from tests.waiting import eventually

pytestmark = pytest.mark.browser

STRIPPED = plain_answer("400 Bad Request")


def on_the_stream(page: Page, site: Site, live: ScriptedHttp, **times: int) -> tuple[Client, Request]:
    """A client whose proxy strips the upgrade, live on its first stream with events 1 and 2."""
    live.shut = lambda: STRIPPED
    client = start_over(page, site, None, **times)
    stream = live.request(0, "stream")
    sub = stream.grant(head=2)
    stream.say(ev(sub, 1, 2), caught_up(sub, 2))
    client.goes_by("stream")
    return client, stream


@pytest.mark.parametrize(
    "answer",
    [
        plain_answer("400 Bad Request"),
        plain_answer("403 Forbidden", "<h1>WebSockets are not allowed</h1>"),
        plain_answer("426 Upgrade Required"),
        plain_answer("200 OK", "<h1>Welcome to the hotel</h1>"),
        b"",
        None,
    ],
    ids=["400", "403", "426", "200 HTML", "cut", "no answer"],
)
def test_after_two_failed_handshakes_it_takes_the_event_stream(
    page: Page, site: Site, live: ScriptedHttp, answer: bytes | None
) -> None:
    live.shut = lambda: answer
    client = start_over(page, site, openMs=300)
    stream = live.request(0, "stream")
    assert live.handshakes >= 2
    assert stream.sub == {"t": "sub", "id": stream.sub["id"], "feed": "rollout/1", "epoch": None, "after": 0}
    sub = stream.grant(head=3)
    stream.say(ev(sub, 1, 2), ev(sub, 3, 3), caught_up(sub, 3))
    client.sees(1, 2, 3)
    client.goes_by("stream")
    assert client.cursor == {"epoch": "e1", "seq": 3}


def test_welcomes_that_are_cut_at_once_count_as_failures(
    page: Page, site: Site, live: ScriptedHttp, feed_server: ScriptedFeed
) -> None:
    client = start_over(page, site, {"epoch": "e1", "after": 5})
    cut = 0

    def fallen_back() -> bool:
        nonlocal cut
        for talk in feed_server.talks[cut:]:
            talk.welcome()
            talk.hear("sub")
            talk.cut()
            cut += 1
        return len(live.requests) > 0

    eventually(fallen_back)
    assert cut >= 2
    stream = live.request(0, "stream")
    assert (stream.sub["epoch"], stream.sub["after"]) == ("e1", 5)
    sub = stream.grant(head=6)
    stream.say(ev(sub, 6, 6), caught_up(sub, 6))
    client.sees(6)
    client.goes_by("stream")


def test_while_nothing_can_be_had_over_http_it_stays_with_the_socket(
    page: Page, site: Site, live: ScriptedHttp, feed_server: ScriptedFeed
) -> None:
    site.history = lambda query: (503, "")
    live.shut = lambda: plain_answer("502 Bad Gateway")
    client = start_over(page, site)
    eventually(lambda: live.handshakes >= 4)
    live.shut = None  # the server is back
    sub = accept(feed_server.talk(0), head=1)
    feed_server.talk(0).say(ev(sub, 1, 1), caught_up(sub, 1))
    client.goes_by("socket")
    assert live.requests == []


def test_a_socket_that_brought_something_is_not_left_for_its_cuts(
    page: Page, site: Site, live: ScriptedHttp, feed_server: ScriptedFeed
) -> None:
    client = start_over(page, site)
    for n in range(6):
        talk = feed_server.talk(n)
        sub = accept(talk, head=100)
        talk.say(ev(sub, n + 1, n + 1))
        client.sees(*range(1, n + 2))
        talk.cut()
    accept(feed_server.talk(6), head=100)
    assert live.requests == []


def test_a_close_code_of_ours_came_through_an_open_way(
    page: Page, site: Site, live: ScriptedHttp, feed_server: ScriptedFeed
) -> None:
    client = start_over(page, site)
    for n in range(5):
        feed_server.talk(n).close(4013)
    sub = accept(feed_server.talk(5), head=1)
    feed_server.talk(5).say(ev(sub, 1, 1), caught_up(sub, 1))
    client.goes_by("socket")
    assert live.requests == []


@pytest.mark.parametrize("how", ["holds back", "greets with padding only", "404", "HTML"])
def test_where_no_stream_gets_through_it_polls(page: Page, site: Site, live: ScriptedHttp, how: str) -> None:
    live.shut = lambda: STRIPPED
    client = start_over(page, site, answerMs=4000)
    stream = live.request(0, "stream")
    if how == "greets with padding only":
        stream.begin()
        stream.say_raw(b": " + b" " * 2048 + b"\n\n")
    elif how == "404":
        stream.refuse(404)
    elif how == "HTML":
        stream.refuse(200, {"Content-Type": "text/html"}, b"<h1>Welcome</h1>")
    first = live.request(1, "poll")
    assert stream.gone.wait(10)
    assert (first.wait, first.sub["after"]) == ("0", 0)
    first.answer(subok(first.sub, 2), ev(first.sub, 1, 2), caught_up(first.sub, 2))
    client.sees(1, 2)
    client.goes_by("poll")
    second = live.request(2, "poll")
    assert (second.wait, second.sub["after"], second.sub["epoch"]) == ("25", 2, "e1")
    second.answer(subok(second.sub, 3), ev(second.sub, 3, 3))
    client.sees(1, 2, 3)
    assert live.request(3, "poll").sub["after"] == 3


def test_where_neither_gets_through_it_tries_sockets_again(
    page: Page, site: Site, live: ScriptedHttp, feed_server: ScriptedFeed
) -> None:
    live.shut = lambda: STRIPPED
    client = start_over(page, site)
    live.request(0, "stream").refuse(404)
    poll = live.request(1, "poll")
    live.shut = None
    poll.refuse(404)
    sub = accept(feed_server.talk(0), head=1)
    feed_server.talk(0).say(ev(sub, 1, 1), caught_up(sub, 1))
    client.sees(1)
    client.goes_by("socket")
    assert client.status["socketAt"] == 0


def test_when_the_socket_works_again_it_goes_on_there_from_the_cursor(
    page: Page, site: Site, live: ScriptedHttp, feed_server: ScriptedFeed
) -> None:
    client, stream = on_the_stream(page, site, live, socketAgainMs=300)
    live.shut = None
    talk = feed_server.talk(0)
    talk.hear("hello")
    stream.say(ev(stream.sub, 3, 4))  # the fallback is heard until the welcome
    client.sees(1, 2, 3, 4)
    assert not stream.gone.is_set()
    sub = accept(talk, head=6)
    assert (sub["epoch"], sub["after"]) == ("e1", 4)
    assert stream.gone.wait(10)
    talk.say(ev(sub, 5, 6), caught_up(sub, 6))
    client.sees(1, 2, 3, 4, 5, 6)
    client.goes_by("socket")
    assert client.status["socketAt"] == 0
    assert "reconnecting" not in client.states[-4:]


def test_a_poll_under_way_is_dropped_when_the_socket_is_taken(
    page: Page, site: Site, live: ScriptedHttp, feed_server: ScriptedFeed
) -> None:
    live.shut = lambda: STRIPPED
    client = start_over(page, site, socketAgainMs=400)
    live.request(0, "stream").refuse(404)
    poll = live.request(1, "poll")
    poll.answer(subok(poll.sub, 1), ev(poll.sub, 1, 1), caught_up(poll.sub, 1))
    late = live.request(2, "poll")
    live.shut = None
    talk = feed_server.talk(0)
    sub = accept(talk, head=3)
    assert sub["after"] == 1
    assert late.gone.wait(10)
    talk.say(ev(sub, 2, 3))
    client.sees(1, 2, 3)
    assert len(live.requests) == 3


def test_a_trial_that_fails_disturbs_nothing_and_the_next_one_comes_later(
    page: Page, site: Site, live: ScriptedHttp
) -> None:
    page.evaluate("""() => {
      window.plans = [];
      const real = setTimeout;
      window.setTimeout = (f, ms) => ([151, 302, 503].includes(ms) && plans.push(ms), real(f, ms));
    }""")
    client, stream = on_the_stream(page, site, live, socketAgainMs=151, socketAgainMostMs=503)
    plans = [151, 302, 503, 503]
    eventually(lambda: page.evaluate("() => window.plans.slice(0, 4)") == plans)
    assert live.handshakes >= 5  # two before the fallback
    stream.say(ev(stream.sub, 3, 3))
    client.sees(1, 2, 3)
    assert len(live.requests) == 1


def test_coming_online_tries_the_socket_at_once(
    page: Page, site: Site, live: ScriptedHttp, feed_server: ScriptedFeed
) -> None:
    client, _ = on_the_stream(page, site, live)
    before = page.evaluate("() => Date.now()")
    assert 50_000 < client.status["socketAt"] - before < 61_000
    live.shut = None
    page.evaluate("() => dispatchEvent(new Event('online'))")
    sub = accept(feed_server.talk(0), head=3)
    assert sub["after"] == 2
    feed_server.talk(0).say(ev(sub, 3, 3), caught_up(sub, 3))
    client.sees(1, 2, 3)
    client.goes_by("socket")


def test_a_socket_that_is_cut_right_after_it_was_taken_sends_it_back_to_the_stream(
    page: Page, site: Site, live: ScriptedHttp, feed_server: ScriptedFeed
) -> None:
    client, _ = on_the_stream(page, site, live)
    live.shut = None
    page.evaluate("() => dispatchEvent(new Event('online'))")
    live.request(1, "stream")  # the question of the wake-up, on the old way
    talk = feed_server.talk(0)
    talk.welcome()
    assert talk.hear("sub")["after"] == 2
    talk.cut()
    stream = live.request(2, "stream")
    assert stream.sub["after"] == 2
    sub = stream.grant(head=3)
    stream.say(ev(sub, 3, 3), caught_up(sub, 3))
    client.sees(1, 2, 3)
    client.goes_by("stream")
    assert client.status["socketAt"] - page.evaluate("() => Date.now()") > 61_000  # not every minute


def test_stop_ends_fallback_and_trial(page: Page, site: Site, live: ScriptedHttp) -> None:
    page.evaluate("""() => {
      const Real = WebSocket;
      window.tries = 0;
      window.WebSocket = class extends Real { constructor(...args) { super(...args); tries += 1; } };
    }""")
    client, stream = on_the_stream(page, site, live, socketAgainMs=200)
    tries = page.evaluate("() => { feed.stop(); return tries; }")
    assert stream.gone.wait(10)
    page.evaluate("() => new Promise((done) => setTimeout(done, 500))")
    assert page.evaluate("() => tries") == tries >= 2
    assert (len(live.requests), client.status["state"]) == (1, "stopped")
    page.evaluate("() => window.feed.start()")
    assert live.request(1, "stream").sub["after"] == 2


Cut = Callable[[Request], None]


def in_mid_event(stream: Request) -> None:
    stream.say_raw(b'data: {"t":"ev","id":%d,"prev":0,' % stream.sub["id"])
    stream.cut()


def at_a_clean_end_in_mid_event(stream: Request) -> None:
    stream.say_raw(b'data: {"t":"caught_up","id":%d,"seq":999}\n' % stream.sub["id"])
    stream.end()


@pytest.mark.parametrize("cut", [Request.cut, Request.end, in_mid_event, at_a_clean_end_in_mid_event])
def test_twenty_cuts_of_the_stream_lose_and_repeat_nothing(
    page: Page, site: Site, live: ScriptedHttp, cut: Cut
) -> None:
    client, stream = on_the_stream(page, site, live)
    for n in range(1, 21):
        cut(stream)
        stream = live.request(n, "stream")
        assert (stream.sub["epoch"], stream.sub["after"]) == ("e1", 2 * n)
        sub = stream.grant(head=99)
        stream.say(ev(sub, 2 * n + 1, 2 * n + 2))
        client.sees(*range(1, 2 * n + 3))
    assert client.told == [("caughtup", {"seq": 2})]
