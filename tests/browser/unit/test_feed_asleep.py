"""feed.js in a browser that is stopped, in a hidden or frozen tab, and on a page that one comes back to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import Desktop, desktop
from tests.browser.unit.feed_client import START, Client, accept, ev, start
from tests.browser.unit.scripted import WELCOME, Message, ScriptedFeed, Talk
from tests.browser.unit.site import EMPTY, Site
from tests.chaos import ChaosProxy
from tests.waiting import eventually

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def own(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    with desktop(browser.browser_type, tmp_path_factory.mktemp("chromium")) as one:
        yield one


@pytest.fixture
def tab(own: Desktop, site: Site, feed_server: ScriptedFeed) -> Iterator[Page]:
    """A tab of it with an empty page of the site."""
    tab = own.tabs.new_page()
    tab.set_default_timeout(10_000)
    tab.goto(f"{site.url}/")
    yield tab
    tab.close()


def caught_up(sub: Message, seq: int) -> Message:
    return {"t": "caught_up", "id": sub["id"], "seq": seq}


def go_on(client: Client, talk: Talk, last: int) -> None:
    """Everything after the cursor that the next connection asks from, up to `last`: seen once."""
    again = accept(talk, head=last)
    talk.say(ev(again, again["after"] + 1, last), caught_up(again, last))
    client.sees(*range(1, last + 1))
    client.shows("live")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(3, False), (3, True), pytest.param(600, False, marks=pytest.mark.long)],
    ids=["the network went as well", "the server has hung up", "ten minutes"],
)
def test_a_browser_that_was_stopped_goes_on_from_its_cursor(
    own: Desktop, tab: Page, feed_server: ScriptedFeed, seconds: float, told: bool
) -> None:
    """What still reaches the old socket counts once or not at all; one that hears nothing stays OPEN."""
    with ChaosProxy(("127.0.0.1", urlsplit(feed_server.url).port or 0)) as proxy:
        url = f"ws://127.0.0.1:{proxy.port}/livefeed/"
        tab.evaluate(START, [url, "/livefeed/history", {}, {}])
        client = Client(tab)
        talk = feed_server.talk(0)
        sub = accept(talk, head=2)
        # Told last: the way from here to the stop must not look like silence.
        talk.say(WELCOME | {"dead_s": min(0.9 * seconds, 70)}, ev(sub, 1, 2), caught_up(sub, 2))
        client.sees(1, 2)
        with own.stopped():
            talk.say(ev(sub, 3, 4))
            if not told:
                proxy.swallow_all()
            talk.say(ev(sub, 5, 6))
            talk.cut()
            threading.Event().wait(seconds)
        go_on(client, feed_server.talk(1), last=8)
        assert len(feed_server.talks) == 2
        tab.evaluate("() => window.feed.stop()")


@contextmanager
def hidden(own: Desktop, tab: Page) -> Iterator[None]:
    """Another tab is in front."""
    other = own.tabs.new_page()
    eventually(lambda: tab.evaluate("() => document.visibilityState") == "hidden")
    yield
    tab.bring_to_front()
    eventually(lambda: tab.evaluate("() => document.visibilityState") == "visible")
    other.close()


def acknowledged(talk: Talk, seq: int) -> bool:
    return talk.heard[-1] == {"t": "ack", "id": talk.hear("sub")["id"], "seq": seq}


@pytest.mark.parametrize(
    ("dead_s", "pause_s", "times"),
    [(4, 0, 7), pytest.param(70, 20, 30, marks=pytest.mark.long)],
    ids=["seconds", "ten minutes"],
)
def test_a_hidden_tab_keeps_its_socket_and_applies_and_acknowledges_every_line(
    own: Desktop, tab: Page, feed_server: ScriptedFeed, dead_s: float, pause_s: float, times: int
) -> None:
    """Its timers come once a second, later once a minute; longer than silence would be taken for death."""
    client = start(tab, feed_server)
    talk = feed_server.talk(0)
    sub = accept(talk, head=1)
    talk.say(ev(sub, 1, 1), caught_up(sub, 1))
    client.shows("live")
    with hidden(own, tab):
        talk.say(WELCOME | {"dead_s": dead_s})  # only while it is hidden: tabs may take longer to change
        for n in range(1, times + 1):
            threading.Event().wait(pause_s)
            talk.say({"t": "hb", "now": 1, "heads": {str(sub["id"]): n}})
            eventually(partial(acknowledged, talk, n), 70)
            talk.say(ev(sub, n + 1, n + 1))
        talk.say(WELCOME)
    talk.say({"t": "pong", "n": talk.hear("ping")["n"]}, ev(sub, times + 2, times + 2))
    client.sees(*range(1, times + 3))
    client.shows("live")
    assert set(client.states) <= {"connecting", "catching_up", "live"}
    assert len(feed_server.talks) == 1


def test_a_frozen_tab_goes_on_from_its_cursor_when_it_thaws(
    own: Desktop, tab: Page, feed_server: ScriptedFeed
) -> None:
    """The browser takes its socket, with what came to it meanwhile."""
    client = start(tab, feed_server)
    talk = feed_server.talk(0)
    sub = accept(talk, head=1)
    talk.say(ev(sub, 1, 1), caught_up(sub, 1))
    client.shows("live")
    devtools = own.tabs.new_cdp_session(tab)
    with hidden(own, tab):
        devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
        talk.say(ev(sub, 2, 4))
        devtools.send("Page.setWebLifecycleState", {"state": "active"})
        go_on(client, feed_server.talk(1), last=8)
    assert len(feed_server.talks) == 2


def test_a_page_that_is_left_and_come_back_to_goes_on_from_its_cursor(
    tab: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    """The browser has kept the page as it was, but for the socket."""
    site.pages["/other"] = EMPTY
    client = start(tab, feed_server)
    tab.evaluate("() => addEventListener('pageshow', (e) => { window.kept = e.persisted; })")
    for visit in range(2):
        talk = feed_server.talk(visit)
        go_on(client, talk, last=4 * (visit + 1))
        tab.goto(f"{site.url}/other")
        tab.go_back(wait_until="commit")
        eventually(lambda: tab.evaluate("() => window.kept"))
    go_on(client, feed_server.talk(2), last=12)
