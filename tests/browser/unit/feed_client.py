"""feed.js in a page, as its tests look at it, and the server's side of a subscription."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.browser.unit.scripted import Message, ScriptedFeed, Talk
from tests.browser.unit.site import Site
from tests.waiting import eventually

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

    @property
    def cursor(self) -> dict[str, Any]:
        cursor: dict[str, Any] = self.page.evaluate("() => window.sub.cursor")
        return cursor

    def goes_by(self, transport: str) -> None:
        eventually(
            lambda: (self.status["state"], self.status["transport"]) == ("live", transport),
            what=f"expected live by {transport}, is {self.status}",
        )

    def shows(self, state: str) -> None:
        eventually(lambda: self.status["state"] == state, what=f"expected {state}, is {self.status}")


def start_over(page: Page, site: Site, cursor: Message | None = None, **times: int) -> Client:
    """A client that finds all it needs on the site's own `/livefeed/`, and whose first tries come soon."""
    if site.history is None:
        site.history = lambda query: (200, "{}")  # a page can be had; what stands in it nobody reads
    page.evaluate("() => { Math.random = () => 0.002; }")
    page.evaluate(START, ["/livefeed/", "/livefeed/history", times, cursor or {}])
    return Client(page)


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


def accept(
    talk: Talk, head: int, n: int = 0, epoch: str = "e1", closed: bool = False, **welcome: Any
) -> Message:
    """Greet, and grant the n-th subscription of this connection."""
    if n == 0:
        talk.welcome(**welcome)
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
