"""feed.js and its socket: cuts, silence, final codes, waking up, stop and start."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page

from tests.browser.unit.feed_client import START, Client, accept, ev, start
from tests.browser.unit.scripted import Message, ScriptedFeed
from tests.browser.unit.site import Site
from tests.waiting import eventually

pytestmark = pytest.mark.browser


def half_a_frame(message: Message) -> bytes:
    """The first half of the frame that carries a message."""
    text = json.dumps(message | {"filler": "x" * 126}).encode()
    return (b"\x81\x7e" + len(text).to_bytes(2, "big") + text)[: len(text) // 2]


@pytest.mark.parametrize("kind", ["in mid-message", "reset", 1001, 1011, 1012, 4001, 4008])
def test_after_a_cut_it_goes_on_from_the_cursor(
    page: Page, feed_server: ScriptedFeed, kind: str | int
) -> None:
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    sub = accept(talk, head=4)
    talk.say(ev(sub, 1, 2))
    client.sees(1, 2)
    if isinstance(kind, int):
        talk.close(kind)
    else:
        talk.cut(half_a_frame(ev(sub, 3, 4)) if kind == "in mid-message" else b"")
    next_talk = feed_server.talk(1)
    again = accept(next_talk, head=4)
    assert (again["after"], again["epoch"]) == (2, "e1")
    next_talk.say(ev(again, 3, 4), {"t": "caught_up", "id": again["id"], "seq": 4})
    client.sees(1, 2, 3, 4)
    client.shows("live")
    assert "reconnecting" in client.states


def test_twenty_cuts_in_a_row_lose_and_repeat_nothing(page: Page, feed_server: ScriptedFeed) -> None:
    client = start(page, feed_server)
    for n in range(20):
        talk = feed_server.talk(n)
        sub = accept(talk, head=200)
        assert sub["after"] == 7 * n
        talk.say(ev(sub, 7 * n + 1, 7 * n + 7))
        client.sees(*range(1, 7 * n + 8))
        talk.cut(half_a_frame(ev(sub, 7 * n + 8, 7 * n + 16)))


@pytest.mark.parametrize("code", [4500, 4501, 4503, 4506, 4999])
def test_a_final_code_stops_it(page: Page, feed_server: ScriptedFeed, code: int) -> None:
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    talk.welcome()
    talk.hear("sub")
    talk.close(code)
    client.shows("stopped")
    assert client.status["code"] == code
    page.evaluate("() => dispatchEvent(new Event('online'))")
    assert len(feed_server.talks) == 1


def test_late_events_of_a_replaced_socket_are_ignored(page: Page, feed_server: ScriptedFeed) -> None:
    """A socket that sleep left OPEN and deaf answers no ping, is replaced, and then speaks."""
    page.evaluate("""() => {
      const Real = WebSocket;
      window.sockets = [];
      window.WebSocket = class extends Real {
        constructor(...args) { super(...args); sockets.push(this); }
        close() {}  // a zombie does not close either
      };
    }""")
    page.clock.install()
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    sub = accept(talk, head=2)
    talk.say(ev(sub, 1, 1))
    client.sees(1)
    page.evaluate("() => dispatchEvent(new Event('online'))")
    assert talk.hear("ping")["n"] == 1
    page.clock.fast_forward(5_001)
    next_talk = feed_server.talk(1)
    again = accept(next_talk, head=3)
    handlers = page.evaluate("() => ['message', 'close'].map((kind) => typeof sockets[0]['on' + kind])")
    assert handlers == ["function", "function"]  # attached, and yet deaf:
    talk.say(ev(sub, 2, 2), ev(sub, 3, 3))
    talk.close(4501)
    next_talk.say(ev(again, 2, 3), {"t": "caught_up", "id": again["id"], "seq": 3})
    client.sees(1, 2, 3)
    client.shows("live")


def test_a_wake_up_that_is_answered_changes_nothing(page: Page, feed_server: ScriptedFeed) -> None:
    """The page's clock stands while an answer is on its way: a slow machine must not look like silence."""
    page.clock.install()
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    sub = accept(talk, head=0)
    talk.say({"t": "caught_up", "id": sub["id"], "seq": 0})
    client.shows("live")
    page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=60))
    for n, event in enumerate(
        ["new Event('online')", "new PageTransitionEvent('pageshow', {persisted: true})"]
    ):
        page.evaluate(f"() => dispatchEvent({event})")
        page.evaluate("() => { window.feed.lastMessageAt = 0; }")
        talk.say({"t": "pong", "n": talk.hear("ping", n)["n"]})
        eventually(lambda: page.evaluate("() => window.feed.lastMessageAt") > 0)
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    page.evaluate("() => { window.feed.lastMessageAt = 0; }")
    talk.say({"t": "hb", "now": 1, "heads": {}})  # any message is an answer
    eventually(lambda: page.evaluate("() => window.feed.lastMessageAt") > 0)
    page.clock.run_for(5_100)
    assert len(feed_server.talks) == 1
    client.shows("live")


def test_silence_is_a_dead_socket(page: Page, feed_server: ScriptedFeed) -> None:
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    talk.welcome(dead_s=0.2)
    talk.hear("sub")
    sub = accept(feed_server.talk(1), head=1)
    feed_server.talk(1).say(ev(sub, 1, 1))
    client.sees(1)
    assert talk.gone.wait(10)


def test_what_comes_after_too_long_a_silence_is_not_believed(page: Page, feed_server: ScriptedFeed) -> None:
    """A browser that was stopped wakes up to what was in its buffers, and may see that before its timers."""
    page.evaluate("""() => {
      const real = performance.now.bind(performance);
      window.late = 0;
      performance.now = () => real() + late;  // and no timer knows of it
    }""")
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    sub = accept(talk, head=1)
    talk.say(ev(sub, 1, 1))
    client.sees(1)
    page.evaluate("() => { window.late = 71_000; }")
    talk.say(ev(sub, 2, 2))
    again = accept(feed_server.talk(1), head=3)
    assert again["after"] == 1
    feed_server.talk(1).say(ev(again, 2, 3))
    client.sees(1, 2, 3)


def test_a_server_that_never_greets_is_given_up(page: Page, feed_server: ScriptedFeed) -> None:
    page.evaluate("() => { Math.random = () => 0.01; }")  # it has not told its own limits yet
    page.clock.install()
    client = start(page, feed_server)
    feed_server.talk(0).hear("hello")
    page.clock.fast_forward(15_001)
    sub = accept(feed_server.talk(1), head=1)
    feed_server.talk(1).say(ev(sub, 1, 1))
    client.sees(1)


def test_coming_online_tries_at_once(page: Page, feed_server: ScriptedFeed) -> None:
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    talk.welcome(retry={"first_max_ms": 10**9, "cap_ms": 10**9})
    talk.hear("sub")
    talk.close(1012)
    client.shows("reconnecting")
    assert client.status["retryInMs"] > 0
    page.evaluate("() => dispatchEvent(new Event('online'))")
    feed_server.talk(1).hear("hello")


def test_rubbish_replaces_the_socket(page: Page, feed_server: ScriptedFeed) -> None:
    client = start(page, feed_server)
    accept(feed_server.talk(0), head=1)
    feed_server.talk(0).say_raw("{not json")
    sub = accept(feed_server.talk(1), head=1)
    feed_server.talk(1).say(ev(sub, 1, 1))
    client.sees(1)


def test_failing_handshakes_lead_to_the_question_whether_we_are_signed_in(page: Page, site: Site) -> None:
    site.history = lambda query: (401, '{"error": "sign_in"}')
    page.evaluate(START, [f"{site.url}/livefeed/", "/livefeed/history", {}, {}])
    page.evaluate(
        "() => { for (const ms of [300, 600]) setTimeout(() => dispatchEvent(new Event('online')), ms); }"
    )
    client = Client(page)
    client.shows("stopped")
    assert client.status["code"] == 4501


def test_stop_and_start_go_on_from_the_cursor(page: Page, feed_server: ScriptedFeed) -> None:
    client = start(page, feed_server)
    sub = accept(feed_server.talk(0), head=2)
    feed_server.talk(0).say(ev(sub, 1, 1))
    client.sees(1)
    page.evaluate("() => window.feed.stop()")
    assert feed_server.talk(0).gone.wait(10)
    page.evaluate("() => window.feed.start()")
    again = accept(feed_server.talk(1), head=2)
    assert again["after"] == 1
    feed_server.talk(1).say(ev(again, 2, 2))
    client.sees(1, 2)
