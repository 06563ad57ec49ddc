"""feed.js when the network becomes a black hole: nothing comes, nothing ends, and the socket stays OPEN."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from tests.browser.unit.feed_client import START, Client, accept, ev
from tests.browser.unit.scripted import ScriptedFeed
from tests.chaos import ChaosProxy

pytestmark = pytest.mark.browser


def test_silence_is_noticed_and_the_next_socket_goes_on_from_the_cursor(
    page: Page, feed_server: ScriptedFeed
) -> None:
    with ChaosProxy(("127.0.0.1", urlsplit(feed_server.url).port or 0)) as proxy:
        url = f"ws://127.0.0.1:{proxy.port}/livefeed/"
        page.clock.install()
        page.evaluate(START, [url, "/livefeed/history", {}, {}])
        client = Client(page)
        talk = feed_server.talk(0)
        sub = accept(talk, head=2)
        talk.say(ev(sub, 1, 2))
        client.sees(1, 2)
        assert proxy.swallow_all() == 1
        talk.say(ev(sub, 3, 4))  # into the hole
        page.clock.fast_forward(70_001)
        next_talk = feed_server.talk(1)
        again = accept(next_talk, head=4)
        assert again["after"] == 2
        next_talk.say(ev(again, 3, 4), {"t": "caught_up", "id": again["id"], "seq": 4})
        client.sees(1, 2, 3, 4)
        client.shows("live")
        assert not talk.gone.is_set(), "the server has not been told either"
        page.evaluate("() => window.feed.stop()")
