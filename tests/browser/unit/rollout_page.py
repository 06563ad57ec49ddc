"""The rollout page as tests open it: the template's elements, the real styles, a scripted feed."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Page

from tests.browser.unit.scripted import Message, ScriptedFeed, Talk
from tests.browser.unit.site import Site

STYLES = "".join(
    f'<link rel="stylesheet" href="/static/console/css/{name}.css">'
    for name in ("tokens", "base", "ui", "pages", "rollout", "matrix", "log")
)
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>update #1</title>
<link rel="icon" href="data:,">{styles}<body data-page="rollout"><main class="main main-wide">
<div class="rollout" id="rollout-page" data-history-url="{history}" data-sign-in-url="/sign-in/"
  data-status-url="{status}">
<section class="rollout-head"><connection-chip></connection-chip>
<rollout-verbs data-pause-url="/api/1/pause" data-resume-url="/api/1/resume" data-cancel-url="/api/1/cancel"
  data-accept-url="/api/1/accept" data-retry-url="/api/1/retry" data-csrf="token"></rollout-verbs>
<rollout-header>first paint</rollout-header>
<wave-strip></wave-strip></section>
<section class="rollout-hosts"><host-matrix></host-matrix></section>
<section class="rollout-log"><log-pane></log-pane></section>
</div></main><script id="rollout-snapshot" type="application/json">{snapshot}</script>
<script type="module" src="/static/console/js/rollout/rollout.js"></script></body></html>"""


class Rollout:
    """The page and the server's side of its feed."""

    def __init__(self, page: Page, talk: Talk, sub: Message) -> None:
        self.page, self.talk, self.sub = page, talk, sub
        self.seq = 0

    def tell(self, lane: str, kind: str, *items: Any, origin: str | None = None) -> None:
        group = [lane, kind, origin, 1_763_900_000_000 + self.seq, self.seq + 1, list(items)]
        self.talk.say(
            {"t": "ev", "id": self.sub["id"], "prev": self.seq, "to": self.seq + len(items), "g": [group]}
        )
        self.seq += len(items)

    def target(self, n: int, state: str, version: int, reason: str = "", step: int = 0) -> None:
        data = {
            "target": n,
            "state": state,
            "version": version,
            "reason": reason,
            "step_index": step,
            "since_ms": 5,
        }
        self.tell(f"t{n}", "target.state", data)

    def step(self, n: int, step: int, state: str, version: int, **more: Any) -> None:
        data = {
            "target": n,
            "step": step,
            "attempt": 1,
            "state": state,
            "version": version,
            "exit_code": None,
        }
        data |= {
            "reason": "",
            "detail": "",
            "journal_bytes": None,
            "journal_sha256": "",
            "journal_same": None,
        }
        data |= {"stop_evidence": "", "accepted_by": "", "accepted_reason": ""}
        self.tell(f"t{n}", "step.state", data | more, origin=f"t{n}/s{step}/a1")

    def rollout(self, state: str, version: int, wanted: str = "run", reason: str = "") -> None:
        self.tell(
            "rollout",
            "rollout.state",
            {"state": state, "wanted": wanted, "version": version, "reason": reason},
        )


def show_page(page: Page, site: Site, history: str, snapshot: dict[str, Any], status: str = "") -> None:
    """The page alone; its feed is where its history is, `status` where it asks if anything stands still."""
    site.pages["/rollouts/1/"] = PAGE.format(
        styles=STYLES, history=history, status=status, snapshot=json.dumps(snapshot)
    )
    page.goto(f"{site.url}/rollouts/1/")
    page.evaluate("() => document.querySelector('.lp-scroll').style.setProperty('height', '300px')")


def open_page(
    page: Page, site: Site, server: ScriptedFeed, snapshot: dict[str, Any], status: str = ""
) -> Rollout:
    """The page, once it is live."""
    show_page(page, site, server.url.replace("ws:", "http:") + "history", snapshot, status)
    talk = server.talk(0)
    talk.welcome()
    sub = talk.hear("sub")
    talk.say(
        {"t": "subok", "id": sub["id"], "epoch": "e", "first": 1, "head": 0, "after": 0, "closed": False}
    )
    talk.say({"t": "caught_up", "id": sub["id"], "seq": 0})
    return Rollout(page, talk, sub)
