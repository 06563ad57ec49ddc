"""feed.js against a scripted server: whatever the socket does, every event is applied once and in order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.unit.scripted import Message, ScriptedFeed, Talk
from tests.browser.unit.site import History, Site
from tests.waiting import eventually

pytestmark = pytest.mark.browser

START = """async ([path, historyPath, times, cursor]) => {
  const { LiveFeed } = await import("/static/livefeed/feed.js");
  window.feed = new LiveFeed({ path, historyPath, times });
  window.seen = [];
  window.told = [];
  window.states = [];
  feed.addEventListener("status", (e) => states.push(e.detail.state));
  window.sub = feed.subscribe("rollout/1", cursor);
  sub.addEventListener("events", (e) => {
    for (const [, , , , first, items] of e.detail.groups) {
      items.forEach((data, i) => seen.push([first + i, data]));
    }
  });
  for (const type of ["caughtup", "end", "reset", "error"]) {
    sub.addEventListener(type, (e) => told.push([type, e.detail]));
  }
  feed.start();
}"""


class Client:
    """The feed in the page, as the tests look at it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def seqs(self) -> list[int]:
        return [seq for seq, _ in self.page.evaluate("() => window.seen")]

    @property
    def told(self) -> list[tuple[str, dict[str, Any]]]:
        return [(kind, detail) for kind, detail in self.page.evaluate("() => window.told")]

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.page.evaluate("() => window.feed.status")
        return status

    @property
    def states(self) -> list[str]:
        states: list[str] = self.page.evaluate("() => window.states")
        return states

    def sees(self, *seqs: int) -> None:
        eventually(lambda: self.seqs == list(seqs), what=f"expected {seqs}, seen {self.seqs}")

    def shows(self, state: str) -> None:
        eventually(lambda: self.status["state"] == state, what=f"expected {state}, is {self.status}")


def start(page: Page, server: ScriptedFeed, cursor: Message | None = None, **times: int) -> Client:
    page.evaluate(START, [server.url, "/livefeed/history", times, cursor or {}])
    return Client(page)


def ev(sub: Message, first: int, last: int) -> Message:
    """One batch with the events `first` … `last`."""
    group = [
        "t1",
        "line",
        "t1/s0/a1",
        1_763_900_000_000,
        first,
        [f"line {n}" for n in range(first, last + 1)],
    ]
    return {"t": "ev", "id": sub["id"], "prev": first - 1, "to": last, "g": [group]}


def accept(talk: Talk, head: int, n: int = 0, epoch: str = "e1", closed: bool = False) -> Message:
    """Greet, and grant the n-th subscription of this connection."""
    if n == 0:
        talk.welcome()
    sub = talk.hear("sub", n)
    subok = {
        "t": "subok",
        "id": sub["id"],
        "epoch": epoch,
        "first": 1,
        "head": head,
        "after": sub["after"],
        "closed": closed,
    }
    talk.say(subok)
    return sub


def test_events_are_applied_acknowledged_and_the_chip_turns_live(
    page: Page, feed_server: ScriptedFeed
) -> None:
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    sub = accept(talk, head=3)
    assert sub == {"t": "sub", "id": sub["id"], "feed": "rollout/1", "epoch": None, "after": 0}
    talk.say(ev(sub, 1, 2), ev(sub, 3, 3), {"t": "caught_up", "id": sub["id"], "seq": 3})
    client.sees(1, 2, 3)
    client.shows("live")
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
    client = start(page, feed_server, answerMs=100)
    talk = feed_server.talk(0)
    sub = accept(talk, head=2)
    talk.say(ev(sub, 1, 1))
    client.sees(1)
    page.evaluate("() => dispatchEvent(new Event('online'))")
    assert talk.hear("ping")["n"] == 1
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
    client = start(page, feed_server, answerMs=150)
    talk = feed_server.talk(0)
    sub = accept(talk, head=0)
    talk.say({"t": "caught_up", "id": sub["id"], "seq": 0})
    client.shows("live")
    for n, event in enumerate(
        ["new Event('online')", "new PageTransitionEvent('pageshow', {persisted: true})"]
    ):
        page.evaluate(f"() => dispatchEvent({event})")
        page.evaluate("() => { window.feed.lastMessageAt = 0; }")
        talk.say({"t": "pong", "n": talk.hear("ping", n)["n"]})
        eventually(lambda: page.evaluate("() => window.feed.lastMessageAt") > 0)
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    talk.say({"t": "hb", "now": 1, "heads": {}})  # any message is an answer
    page.evaluate("() => new Promise((done) => setTimeout(done, 300))")
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


def test_a_server_that_never_greets_is_given_up(page: Page, feed_server: ScriptedFeed) -> None:
    page.evaluate("() => { Math.random = () => 0.01; }")  # it has not told its own limits yet
    client = start(page, feed_server, openMs=150)
    feed_server.talk(0).hear("hello")
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


@pytest.mark.parametrize("reason", ["epoch", "ahead"])
def test_another_history_is_announced_and_read_from_its_beginning(
    page: Page, feed_server: ScriptedFeed, reason: str
) -> None:
    client = start(page, feed_server, {"epoch": "old", "after": 50})
    talk = feed_server.talk(0)
    talk.welcome()
    sub = talk.hear("sub")
    assert (sub["epoch"], sub["after"]) == ("old", 50)
    talk.say({"t": "reset", "id": sub["id"], "reason": reason, "epoch": "new", "first": 1, "head": 2})
    again = accept(talk, head=2, n=1, epoch="new")
    assert (again["epoch"], again["after"]) == ("new", 0)
    talk.say(ev(again, 1, 2))
    client.sees(1, 2)
    assert client.told[0] == ("reset", {"reason": reason, "epoch": "new", "first": 1, "head": 2, "lost": 0})


def test_pruned_events_are_announced_with_their_number(page: Page, feed_server: ScriptedFeed) -> None:
    client = start(page, feed_server, {"epoch": "e1", "after": 10})
    talk = feed_server.talk(0)
    talk.welcome()
    sub = talk.hear("sub")
    talk.say({"t": "reset", "id": sub["id"], "reason": "pruned", "epoch": "e1", "first": 31, "head": 32})
    again = accept(talk, head=32, n=1)
    assert again["after"] == 30
    talk.say(ev(again, 31, 32))
    client.sees(31, 32)
    assert client.told[0][1]["lost"] == 20


def history_of(head: int, page_events: int, epoch: str = "e1") -> History:
    """A history that ends its pages early, as the server does at whole frames."""

    def answer(query: dict[str, str]) -> tuple[int, str]:
        after = int(query["after"])
        to = min(head, after + page_events)
        group = ev({"id": 0}, after + 1, to)["g"] if to > after else []
        page = {
            "feed": query["feed"],
            "epoch": epoch,
            "first": 1,
            "head": head,
            "prev": after,
            "to": to,
            "closed": False,
        }
        return 200, json.dumps(page | {"g": group})

    return answer


def test_far_behind_it_reads_history_pages_and_goes_back_to_the_socket(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    site.history = history_of(head=9000, page_events=4700)
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    talk.welcome()
    sub = talk.hear("sub")
    talk.say({"t": "reset", "id": sub["id"], "reason": "too_far", "epoch": "e1", "first": 1, "head": 9000})
    again = accept(talk, head=9002, n=1)
    assert (again["epoch"], again["after"]) == ("e1", 9000)
    talk.say(ev(again, 9001, 9002), {"t": "caught_up", "id": again["id"], "seq": 9002})
    eventually(lambda: client.seqs == list(range(1, 9003)))
    client.shows("live")
    assert "catching_up" in client.states
    assert client.told == [("caughtup", {"seq": 9002})]


def test_history_pages_survive_errors_and_a_lost_socket(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    whole = history_of(head=7000, page_events=2000)
    failures = iter([(503, ""), (200, "{ half a pa")])
    page.evaluate("() => { Math.random = () => 0.001; }")  # no long pauses between the tries
    client = start(page, feed_server)
    talk = feed_server.talk(0)
    talk.welcome()
    sub = talk.hear("sub")

    def answer(query: dict[str, str]) -> tuple[int, str]:
        if query["after"] == "2000":
            return next(failures, None) or whole(query)
        if query["after"] == "4000":
            talk.cut()
        return whole(query)

    site.history = answer
    talk.say({"t": "reset", "id": sub["id"], "reason": "too_far", "epoch": "e1", "first": 1, "head": 7000})
    again = accept(feed_server.talk(1), head=7000)
    assert again["after"] == 6000
    feed_server.talk(1).say(ev(again, 6001, 7000))
    eventually(lambda: client.seqs == list(range(1, 7001)), what="all pages")


def test_a_history_of_another_epoch_is_a_reset(page: Page, site: Site, feed_server: ScriptedFeed) -> None:
    site.history = lambda query: (
        409,
        json.dumps({"reset": {"reason": "epoch", "epoch": "e2", "first": 1, "head": 1}}),
    )
    client = start(page, feed_server, {"epoch": "e1", "after": 5})
    talk = feed_server.talk(0)
    talk.welcome()
    talk.say(
        {
            "t": "reset",
            "id": talk.hear("sub")["id"],
            "reason": "too_far",
            "epoch": "e1",
            "first": 1,
            "head": 9999,
        }
    )
    again = talk.hear("sub", 1)
    assert (again["epoch"], again["after"]) == ("e2", 0)
    assert client.told[0][1]["reason"] == "epoch"


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
