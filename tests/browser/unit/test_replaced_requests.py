"""An HTTP answer whose request was replaced is not heard any more, whatever still comes of it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.unit.feed_client import ev, start_over
from tests.browser.unit.scripted import WELCOME
from tests.browser.unit.scripted_http import ScriptedHttp, caught_up, plain_answer, subok
from tests.browser.unit.site import Site
from tests.waiting import eventually

pytestmark = pytest.mark.browser

# Requests that cannot be aborted, as sockets that do not close.
ZOMBIES = """() => {
  const real = fetch;
  window.fetch = (address, { signal, ...rest }) => real(address, rest);
}"""
# A poll whose owner leaves at the first message.
LEAVES = """async (times) => {
  const { HttpConnection } = await import("/static/livefeed/http.js");
  const { longPoll } = await import("/static/livefeed/exchanges.js");
  window.calls = [];
  const connection = new HttpConnection("/livefeed/", times, {
    onWelcome: () => calls.push("welcome"),
    onMessage: ({ t }) => { calls.push(t); connection.dispose(); },
    onEnd: () => calls.push("end"),
    cursorOf: () => undefined,
  }, longPoll);
  connection.send({ t: "sub", id: 1, feed: "rollout/1", epoch: null, after: 0 });
}"""
TIMES = dict.fromkeys(("openMs", "deadMs", "answerMs", "pageMs", "pollMs", "pollPauseMs", "glanceMs"), 9000)


@pytest.mark.parametrize("last", ["events", "bye"])
def test_late_events_of_a_replaced_stream_are_ignored(
    page: Page, site: Site, live: ScriptedHttp, last: str
) -> None:
    page.evaluate(ZOMBIES)
    live.shut = lambda: plain_answer("400 Bad Request")
    client = start_over(page, site)
    old = live.request(0, "stream")
    sub = old.grant(head=2)
    old.say(ev(sub, 1, 1), caught_up(sub, 1))
    client.sees(1)
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    new = live.request(1, "stream")
    assert new.sub["id"] == sub["id"]
    old.say(ev(sub, 2, 2) if last == "events" else {"t": "bye", "code": 4501})
    new.grant(head=3)
    assert new.sub["after"] == 1
    new.say(ev(sub, 2, 3), caught_up(sub, 3))
    client.sees(1, 2, 3)
    client.goes_by("stream")
    assert len(live.requests) == 2


def test_who_has_left_is_not_called_for_the_rest_of_an_answer(page: Page, live: ScriptedHttp) -> None:
    page.evaluate(LEAVES, TIMES)
    poll = live.request(0, "poll")
    poll.answer(subok(poll.sub, 2), ev(poll.sub, 1, 2), WELCOME, {"t": "bye", "code": 4000})
    eventually(lambda: page.evaluate("() => window.calls.length") >= 2)
    assert page.evaluate("() => window.calls") == ["welcome", "subok"]
