"""feed.js far behind or in another history: pages, resets, pruned events."""

from __future__ import annotations

import json
import threading

import pytest
from playwright.sync_api import Page

from tests.browser.unit.feed_client import accept, ev, start
from tests.browser.unit.scripted import Message, ScriptedFeed, Talk
from tests.browser.unit.site import History, Site
from tests.waiting import eventually

pytestmark = pytest.mark.browser


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


COUNT = """() => {
  const real = window.fetch;
  window.begun = window.over = 0;
  window.fetch = (...asked) => {
    window.begun += 1;
    return real(...asked).finally(() => { window.over += 1; });
  };
}"""


def too_far(talk: Talk, head: int) -> Message:
    """Greet, and send the client's first question to the history pages; the question."""
    talk.welcome()
    sub = talk.hear("sub")
    talk.say({"t": "reset", "id": sub["id"], "reason": "too_far", "epoch": "e1", "first": 1, "head": head})
    return sub


@pytest.mark.parametrize("late", [False, True], ids=["while stopped", "once started again"])
def test_a_page_that_comes_after_a_stop_is_not_applied_and_read_again_after_it(
    late: bool, page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    whole = history_of(head=7000, page_events=2000)
    held, let_go = threading.Event(), threading.Event()

    def answer(query: dict[str, str]) -> tuple[int, str]:
        if query["after"] == "2000" and not held.is_set():
            held.set()
            let_go.wait(30)
        return whole(query)

    site.history = answer
    page.evaluate(COUNT)
    client = start(page, feed_server)
    too_far(feed_server.talk(0), head=7000)
    assert held.wait(10)
    page.evaluate("() => window.feed.stop()")
    if not late:
        let_go.set()
        eventually(lambda: page.evaluate("() => window.over") == 2, what="the second page's end")
        assert client.cursor["seq"] == 2000
    page.evaluate("() => window.feed.start()")
    assert too_far(feed_server.talk(1), head=7000)["after"] == 2000
    again = accept(feed_server.talk(1), head=7000, n=1)
    let_go.set()
    feed_server.talk(1).say(ev(again, 6001, 7000), {"t": "caught_up", "id": again["id"], "seq": 7000})
    client.shows("live")
    assert client.seqs == list(range(1, 7001))


def test_a_feed_that_was_stopped_asks_an_unreachable_server_for_no_page(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    site.history = lambda query: (503, "")
    page.clock.install()
    page.evaluate(COUNT)
    start(page, feed_server)
    too_far(feed_server.talk(0), head=7000)
    eventually(lambda: page.evaluate("() => window.over") >= 1, what="a page that cannot be had")
    page.evaluate("() => window.feed.stop()")
    begun = page.evaluate("() => window.begun")
    page.clock.run_for(60_000)
    assert page.evaluate("() => window.begun") == begun
