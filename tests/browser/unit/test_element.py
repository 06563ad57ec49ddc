"""`<live-feed>` under the strictest policy: what it shows of a feed, and what it leaves to the page."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.unit.feed_client import accept
from tests.browser.unit.scripted import Message, ScriptedFeed, Talk
from tests.browser.unit.site import Site
from tests.waiting import eventually

pytestmark = pytest.mark.browser

WORDS = {"live": "实时", "earlier": "earlier: {n}", "pruned": "pruned: {n}", "anew": "anew"}
LISTEN = """window.heard = [];
window.said = [];
for (const type of ["events", "caughtup", "end", "reset", "error", "state"])
  document.addEventListener(`livefeed:${type}`, (event) => {
    heard.push([type, event.detail]);
    if (type === "state") said.push(event.target.querySelector(".live-feed-state").textContent);
    if (document.body.dataset.draws) event.preventDefault();
  });"""


def show(page: Page, site: Site, server: ScriptedFeed, body: str = "", **attributes: str) -> Locator:
    """A page as the template tag writes it; the element in it."""
    attributes = {"feed": "report/7", "path": server.url, "words": json.dumps(WORDS)} | attributes
    written = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
    site.pages["/report/"] = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>unit</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/static/livefeed/element.css"><body {body}>
<script type="module" src="/static/livefeed/element.js"></script>
<live-feed history="/livefeed/history" {written}><noscript>no script</noscript></live-feed>
<script type="module" src="/static/listen.js"></script></body></html>"""
    page.route("**/listen.js", lambda route: route.fulfill(body=LISTEN, content_type="text/javascript"))
    page.goto(f"{site.url}/report/")
    return page.locator("live-feed")


def ev(sub: Message, prev: int, *groups: tuple[str, str, str | None, list[Any]]) -> Message:
    """One batch after `prev`; a group is (lane, kind, origin, items)."""
    seq, made = prev, []
    for lane, kind, origin, items in groups:
        made.append([lane, kind, origin, 1_763_900_000_000, seq + 1, items])
        seq += len(items)
    return {"t": "ev", "id": sub["id"], "prev": prev, "to": seq, "g": made}


def lines(sub: Message, prev: int, *items: Any) -> Message:
    return ev(sub, prev, ("report", "line", None, list(items)))


def caught_up(sub: Message, seq: int) -> Message:
    return {"t": "caught_up", "id": sub["id"], "seq": seq}


def says(element: Locator, state: str) -> None:
    expect(element.locator(".live-feed-state")).to_have_text(state)


def rows(element: Locator) -> Locator:
    return element.get_by_role("log").locator("div")


def heard(page: Page, kind: str) -> list[Any]:
    return [detail for each, detail in page.evaluate("() => window.heard") if each == kind]


def test_lines_and_progress_are_shown_and_read_out_once_they_are_news(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    element = show(page, site, feed_server, label="Your report")
    log = element.get_by_role("log", name="Your report")
    sub = accept(feed_server.talk(0), head=4)
    says(element, "catching up")
    expect(log).to_have_attribute("aria-live", "off")
    progress = ("report", "progress", None, [{"done": 2, "of": 10}, {"done": 3, "of": 10}])
    feed_server.talk(0).say(lines(sub, 0, "one", {"text": "two", "flags": ["nul"]}), ev(sub, 2, progress))
    feed_server.talk(0).say(caught_up(sub, 4))
    says(element, "实时")
    expect(log).to_have_attribute("aria-live", "polite")
    expect(rows(element)).to_have_text(["one", "two"])
    bar = element.get_by_role("progressbar", name="report 3 / 10")
    assert bar.evaluate("(bar) => [bar.value, bar.max]") == [3, 10]
    feed_server.talk(0).say({"t": "end", "id": sub["id"], "seq": 4})
    says(element, "ended")
    assert [each["state"] for each in heard(page, "state")][-1] == "ended"


def test_hostile_text_stays_text(page: Page, site: Site, feed_server: ScriptedFeed) -> None:
    element = show(page, site, feed_server)
    hostile = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    sub = accept(feed_server.talk(0), head=4)
    feed_server.talk(0).say(lines(sub, 0, hostile, {"text": hostile}, {"no": hostile}))
    feed_server.talk(0).say(ev(sub, 3, (hostile, "progress", None, [{"done": hostile, "of": hostile}])))
    expect(rows(element)).to_have_text([hostile, hostile, json.dumps({"no": hostile}, separators=(",", ":"))])
    expect(element.locator("label")).to_contain_text(hostile)
    expect(element.locator("img, script")).to_have_count(0)
    expect(page).to_have_title("unit")


@pytest.mark.parametrize("data", [None, 3, "half", {}, {"done": 1}, {"done": -1, "of": 3}, {"of": 1e999}])
def test_progress_that_says_nothing_is_a_bar_without_a_figure(
    data: Any, page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    element = show(page, site, feed_server)
    sub = accept(feed_server.talk(0), head=1)
    text = json.dumps(ev(sub, 0, ("report", "progress", None, [data]))).replace("Infinity", "1e999")
    feed_server.talk(0).say_raw(text)
    expect(element.get_by_role("progressbar", name="report")).to_have_count(1)
    assert element.locator("progress").get_attribute("value") is None


def test_pieces_of_a_line_become_one_row_though_others_write_between(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    element = show(page, site, feed_server)
    sub = accept(feed_server.talk(0), head=5)
    feed_server.talk(0).say(
        ev(sub, 0, ("a", "cont", "a", ["half "]), ("b", "line", "b", ["other"]), ("a", "cont", "a", ["a "])),
        ev(sub, 3, ("a", "line", "a", ["line", "next"])),
    )
    expect(rows(element)).to_have_text(["half a line", "other", "next"])


@pytest.mark.parametrize("origin", [None, "writer"])
def test_pieces_of_one_lane_join_no_line_of_another(
    origin: str | None, page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    element = show(page, site, feed_server)
    sub = accept(feed_server.talk(0), head=3)
    feed_server.talk(0).say(
        ev(sub, 0, ("a", "cont", origin, ["half "]), ("b", "line", origin, ["other"])),
        ev(sub, 2, ("a", "line", origin, ["a line"])),
    )
    expect(rows(element)).to_have_text(["half a line", "other"])


def test_the_page_holds_so_many_rows_and_says_how_many_it_let_go(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    element = show(page, site, feed_server, lines="10")
    sub = accept(feed_server.talk(0), head=1005)
    many = [f"line {n}" for n in range(1, 1001)]
    feed_server.talk(0).say(ev(sub, 0, ("a", "cont", "a", ["gone"])), lines(sub, 1, *many))
    expect(rows(element)).to_have_text(many[-10:])
    expect(element).to_contain_text("earlier: 991")
    feed_server.talk(0).say(ev(sub, 1001, ("a", "line", "a", [" but not for ever"])))
    expect(rows(element).last).to_have_text(" but not for ever", use_inner_text=False)
    expect(element).to_contain_text("earlier: 992")


def test_a_line_without_end_goes_on_in_further_rows(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    element = show(page, site, feed_server)
    sub = accept(feed_server.talk(0), head=40)
    for n in range(40):
        feed_server.talk(0).say(ev(sub, n, ("a", "cont", "a", ["x" * 1024])))
    expect(rows(element)).to_have_count(3)


def test_one_lane_alone_or_every_kind(page: Page, site: Site, feed_server: ScriptedFeed) -> None:
    groups = ("a", "line", None, ["mine"]), ("b", "line", None, ["theirs"]), ("a", "asked", None, [{"by": 1}])
    element = show(page, site, feed_server, lane="a")
    feed_server.talk(0).say(ev(accept(feed_server.talk(0), head=3), 0, *groups))
    expect(rows(element)).to_have_text(["mine"])
    element = show(page, site, feed_server, every="")
    feed_server.talk(1).say(ev(accept(feed_server.talk(1), head=3), 0, *groups))
    expect(rows(element)).to_have_text(["mine", "theirs", 'a asked {"by":1}'])


def test_a_page_that_draws_by_itself_misses_nothing(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    element = show(page, site, feed_server, body='data-draws="yes"', epoch="e1", after="5")
    sub = accept(feed_server.talk(0), head=6)
    assert (sub["epoch"], sub["after"]) == ("e1", 5)
    feed_server.talk(0).say(lines(sub, 5, "drawn by the page"), caught_up(sub, 6))
    says(element, "实时")
    expect(rows(element)).to_have_count(0)
    [batch] = heard(page, "events")
    assert (batch["prev"], batch["to"], batch["groups"][0][5]) == (5, 6, ["drawn by the page"])
    assert heard(page, "caughtup") == [{"seq": 6}]


def test_a_feed_that_is_not_there_yet_is_waited_for(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    element = show(page, site, feed_server)
    talk = told_not_there_yet(element, feed_server)
    sub = accept(talk, head=1, n=1)
    talk.say(lines(sub, 0, "there it is"), caught_up(sub, 1))
    expect(rows(element)).to_have_text(["there it is"])
    says(element, "实时")


def test_a_cut_is_said_in_words_and_the_lines_go_on(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    element = show(page, site, feed_server)
    sub = accept(feed_server.talk(0), head=1)
    feed_server.talk(0).say(lines(sub, 0, "before"), caught_up(sub, 1))
    says(element, "实时")
    feed_server.talk(0).cut()
    says(element, "reconnecting")
    sub = accept(feed_server.talk(1), head=2)
    assert (sub["epoch"], sub["after"]) == ("e1", 1)
    feed_server.talk(1).say(lines(sub, 1, "after"))
    expect(rows(element)).to_have_text(["before", "after"])


def test_what_is_missing_is_said_with_its_figure(page: Page, site: Site, feed_server: ScriptedFeed) -> None:
    element = show(page, site, feed_server)
    talk = feed_server.talk(0)

    def reset(sub: Message, reason: str, epoch: str, first: int) -> Message:
        return {"t": "reset", "id": sub["id"], "reason": reason, "epoch": epoch, "first": first, "head": 50}

    sub = accept(talk, head=50)
    talk.say(lines(sub, 0, "old"), reset(sub, "pruned", "e1", 41))
    expect(rows(element)).to_have_text(["old", "pruned: 39"])
    sub = accept(talk, head=50, n=1)
    talk.say(reset(sub, "epoch", "e2", 1))
    expect(rows(element)).to_have_text(["anew"])
    assert [each["reason"] for each in heard(page, "reset")] == ["pruned", "epoch"]


@pytest.mark.parametrize(("code", "word"), [(4501, "sign in"), (4503, "forbidden"), (4506, "stopped")])
def test_the_end_of_it_is_said_in_words(
    code: int, word: str, page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    element = show(page, site, feed_server)
    accept(feed_server.talk(0), head=1)
    feed_server.talk(0).close(code)
    says(element, word)


def test_out_of_the_page_it_is_silent_and_back_in_it_goes_on(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    element = show(page, site, feed_server)
    sub = accept(feed_server.talk(0), head=1)
    feed_server.talk(0).say(lines(sub, 0, "before"))
    expect(rows(element)).to_have_text(["before"])
    page.evaluate("() => { window.kept = document.querySelector('live-feed'); kept.remove(); }")
    closed(feed_server.talk(0))
    page.evaluate("() => document.body.append(window.kept)")
    sub = accept(feed_server.talk(1), head=2)
    assert sub["after"] == 1
    feed_server.talk(1).say(lines(sub, 1, "after"))
    expect(rows(element)).to_have_text(["before", "after"])


def test_one_that_waits_for_its_feed_waits_on_where_it_is_moved_to(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    element = show(page, site, feed_server)
    talk = told_not_there_yet(element, feed_server)
    page.evaluate("() => document.body.prepend(document.querySelector('live-feed'))")
    closed(talk)
    sub = accept(feed_server.talk(1), head=1)
    feed_server.talk(1).say(lines(sub, 0, "there it is"), caught_up(sub, 1))
    expect(rows(element)).to_have_text(["there it is"])
    says(element, "实时")


def told_not_there_yet(element: Locator, feed_server: ScriptedFeed) -> Talk:
    """The element's first talk, in which it hears that there is no such feed yet; it waits."""
    talk = feed_server.talk(0)
    talk.welcome()
    talk.say({"t": "err", "id": talk.hear("sub")["id"], "code": "not_found"})
    eventually(lambda: "waiting" in element.page.evaluate("() => window.said"))  # for a second only
    return talk


def closed(talk: Talk) -> None:
    assert talk.gone.wait(10)
