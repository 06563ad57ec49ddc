"""What the rollout page says when nothing can go on."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.unit.rollout_page import open_page
from tests.browser.unit.scripted import ScriptedFeed
from tests.browser.unit.site import Site
from tests.browser.unit.test_state import snapshot_of

pytestmark = pytest.mark.browser


def test_it_says_what_is_wrong_since_when_and_the_cure_until_it_is_mended(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    problem = {"message": "The disk of the console is full: nothing is stored.", "cure": "Make room."}
    said: list[dict[str, Any]] = [{"problem": problem, "since_ms": 5}]
    page.route("**/api/status", lambda route: answer(route, said[-1]))
    page.clock.install()
    rollout = open_page(page, site, feed_server, snapshot_of(), status="/api/status")
    since = page.evaluate("() => new Date(5).toTimeString().slice(0, 8)")
    expect(page.locator(".rh-advice li.s-failed")).to_have_text(
        f"✕{problem['message']} (since {since}) {problem['cure']}"
    )
    said.append({"problem": None, "since_ms": None})
    page.clock.fast_forward(6_000)
    expect(page.locator(".rh-advice")).to_be_hidden()
    rollout.rollout("running", 2)


def answer(route: Route, status: dict[str, Any]) -> None:
    """What the server says."""
    route.fulfill(json=status)
