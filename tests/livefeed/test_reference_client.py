"""The reference client against a server that a test scripts: what a real one only does on a bad day."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from livefeed import client as livefeed_client
from tests.browser.unit.feed_client import accept, ev
from tests.browser.unit.scripted import ScriptedFeed, serve_feed
from tests.livefeed.followers import ReferenceClient, follow_all


@pytest.fixture
def feed_server() -> Iterator[ScriptedFeed]:
    with serve_feed() as one:
        yield one


def follow(feed_server: ScriptedFeed, script: Callable[[], None]) -> list[int]:
    """The seqs that a client of "rollout/1" has applied when the feed has ended."""
    client = ReferenceClient(feed_server.url, "http://127.0.0.1:1/", {}, "rollout/1", patience=0.001)
    [applied] = follow_all(client, meanwhile=script)
    return [seq for seq, _ in applied.events]


def test_a_head_that_stays_ahead_makes_it_ask_again(
    feed_server: ScriptedFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One heartbeat is enough: the next may be 20 s away."""
    monkeypatch.setattr(livefeed_client, "BEHIND_S", 0.15)

    def script() -> None:
        talk = feed_server.talk(0)
        sub = accept(talk, head=1)
        talk.say(ev(sub, 1, 1), {"t": "caught_up", "id": sub["id"], "seq": 1})
        talk.say({"t": "hb", "now": 1, "heads": {str(sub["id"]): 3}})
        again = accept(talk, head=3, n=1)
        assert again["after"] == 1
        talk.say(ev(again, 2, 3), {"t": "end", "id": again["id"], "seq": 3})

    assert follow(feed_server, script) == [1, 2, 3]
