"""feed.js against a scripted server: every event is applied once, in order and acknowledged."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.unit.feed_client import accept, ev, start
from tests.browser.unit.scripted import ScriptedFeed
from tests.waiting import eventually

pytestmark = pytest.mark.browser


def test_events_are_applied_acknowledged_and_the_chip_turns_live(
    page: Page, feed_server: ScriptedFeed
) -> None:
    page.clock.install()
    client = start(page, feed_server, ackMs=60_000)
    talk = feed_server.talk(0)
    sub = accept(talk, head=3)
    assert sub == {"t": "sub", "id": sub["id"], "feed": "rollout/1", "epoch": None, "after": 0}
    talk.say(ev(sub, 1, 2), ev(sub, 3, 3), {"t": "caught_up", "id": sub["id"], "seq": 3})
    client.sees(1, 2, 3)
    client.shows("live")
    page.clock.fast_forward(60_001)
    assert talk.hear("ack") == {"t": "ack", "id": sub["id"], "seq": 3}
    assert page.evaluate("() => window.sub.cursor") == {"epoch": "e1", "seq": 3}
    assert client.states[-2:] == ["catching_up", "live"]


def test_an_ack_goes_out_at_half_a_window_without_waiting_for_a_timer(
    page: Page, feed_server: ScriptedFeed
) -> None:
    start(page, feed_server, ackMs=60_000)
    talk = feed_server.talk(0)
    sub = accept(talk, head=2)
    talk.say(ev(sub, 1, 800))
    assert talk.hear("ack")["seq"] == 800


def test_a_throttled_timer_is_made_good_by_the_next_message(page: Page, feed_server: ScriptedFeed) -> None:
    page.evaluate(
        "() => { const real = setTimeout; window.setTimeout = (f, ms) => (ms === 80 ? 0 : real(f, ms)); }"
    )
    client = start(page, feed_server, ackMs=80)
    talk = feed_server.talk(0)
    sub = accept(talk, head=1)
    talk.say(ev(sub, 1, 1))
    client.sees(1)
    page.evaluate("() => { const until = performance.now() + 100; while (performance.now() < until); }")
    talk.say({"t": "hb", "now": 1, "heads": {str(sub["id"]): 1}})
    assert talk.hear("ack")["seq"] == 1


def test_duplicates_are_dropped_and_a_gap_makes_it_ask_again_from_the_cursor(
    page: Page, feed_server: ScriptedFeed
) -> None:
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    sub = accept(talk, head=9)
    talk.say(ev(sub, 1, 4), ev(sub, 1, 2), ev(sub, 3, 4), ev(sub, 6, 9))
    assert talk.hear("unsub")["id"] == sub["id"]
    again = accept(talk, head=9, n=1)
    assert (again["after"], again["epoch"]) == (4, "e1")
    assert again["id"] != sub["id"]
    talk.say(ev(sub, 5, 6), ev(again, 5, 9))  # what was still under way to the old question is not ours
    client.sees(*range(1, 10))


def test_a_batch_that_overlaps_the_cursor_is_not_applied_by_halves(
    page: Page, feed_server: ScriptedFeed
) -> None:
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    sub = accept(talk, head=5)
    talk.say(ev(sub, 1, 3), ev(sub, 2, 5))
    again = accept(talk, head=5, n=1)
    assert again["after"] == 3
    talk.say(ev(again, 4, 5))
    client.sees(1, 2, 3, 4, 5)


def test_busy_is_asked_again_and_a_refusal_is_told(page: Page, feed_server: ScriptedFeed) -> None:
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    talk.welcome()
    talk.say({"t": "err", "id": talk.hear("sub")["id"], "code": "busy", "retry_ms": 30})
    second = talk.hear("sub", 1)
    assert second["after"] == 0
    talk.say({"t": "err", "id": second["id"], "code": "forbidden"})
    eventually(lambda: client.told == [("error", {"code": "forbidden"})])
    client.shows("stopped")
    assert client.status["code"] == "forbidden"


def test_a_head_that_stays_ahead_makes_it_ask_again(page: Page, feed_server: ScriptedFeed) -> None:
    client = start(page, feed_server, aheadMs=150)
    talk = feed_server.talk(0)
    sub = accept(talk, head=1)
    talk.say(ev(sub, 1, 1), {"t": "caught_up", "id": sub["id"], "seq": 1})
    talk.say({"t": "hb", "now": 1, "heads": {str(sub["id"]): 3}})
    again = accept(talk, head=3, n=1)
    assert again["after"] == 1
    talk.say(ev(again, 2, 3), {"t": "caught_up", "id": again["id"], "seq": 3})
    client.sees(1, 2, 3)
    client.shows("live")


def test_the_end_keeps_the_subscription_and_a_reopened_feed_goes_on(
    page: Page, feed_server: ScriptedFeed
) -> None:
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    sub = accept(talk, head=1, closed=True)
    talk.say(
        ev(sub, 1, 1), {"t": "caught_up", "id": sub["id"], "seq": 1}, {"t": "end", "id": sub["id"], "seq": 1}
    )
    eventually(lambda: ("end", {"seq": 1}) in client.told)
    assert page.evaluate("() => window.sub.closed") is True
    talk.say(ev(sub, 2, 2))
    client.sees(1, 2)
    assert page.evaluate("() => window.sub.closed") is False


def test_an_end_beyond_the_cursor_is_a_gap(page: Page, feed_server: ScriptedFeed) -> None:
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    sub = accept(talk, head=2)
    talk.say(ev(sub, 1, 1), {"t": "end", "id": sub["id"], "seq": 2})
    again = accept(talk, head=2, n=1)
    talk.say(ev(again, 2, 2), {"t": "end", "id": again["id"], "seq": 2})
    client.sees(1, 2)


def test_unknown_messages_and_fields_are_ignored(page: Page, feed_server: ScriptedFeed) -> None:
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    sub = accept(talk, head=1)
    talk.say({"t": "weather", "id": sub["id"]}, {"no": "type"}, ev(sub, 1, 1) | {"colour": "blue"})
    client.sees(1)
    assert len(feed_server.talks) == 1
