"""feed.js in a browser that is stopped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import Desktop, desktop
from tests.browser.unit.feed_client import START, Client, accept, ev
from tests.browser.unit.scripted import Message, ScriptedFeed, Talk
from tests.browser.unit.site import Site
from tests.chaos import ChaosProxy

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
    [(1, False), (1, True), pytest.param(600, False, marks=pytest.mark.long)],
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
        sub = accept(talk, head=2, dead_s=min(seconds / 2, 70))
        talk.say(ev(sub, 1, 2), caught_up(sub, 2))
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
