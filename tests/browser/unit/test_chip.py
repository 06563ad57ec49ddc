"""The connection chip: one word for how fresh the page is, and what that means beside it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.unit.feed_client import accept, ev
from tests.browser.unit.rollout_page import Rollout, show_page
from tests.browser.unit.scripted import ScriptedFeed
from tests.browser.unit.scripted_http import Request, ScriptedHttp, caught_up, plain_answer
from tests.browser.unit.site import Site
from tests.browser.unit.test_state import snapshot_of

pytestmark = pytest.mark.browser

TIME = r"\d\d:\d\d:\d\d"


def behind_a_strict_proxy(page: Page, site: Site, live: ScriptedHttp) -> Request:
    """A rollout's page that has fallen back; the first stream is greeted and asks for the rollout's feed."""
    page.add_init_script("Math.random = () => 0.002;")
    site.history = lambda query: (200, "{}")
    live.shut = lambda: plain_answer("400 Bad Request")
    show_page(page, site, "/livefeed/history", snapshot_of())
    stream = live.request(0, "stream")
    stream.grant(head=1, epoch="e")
    return stream


def shows(chip: Locator, state: str, word: str | re.Pattern[str]) -> None:
    expect(chip).to_have_attribute("data-state", state)
    expect(chip.locator(".cc-text")).to_have_text(word)


def test_live_over_a_fallback_is_called_polling_and_says_when_the_socket_is_tried(
    page: Page, site: Site, live: ScriptedHttp, feed_server: ScriptedFeed
) -> None:
    stream = behind_a_strict_proxy(page, site, live)
    chip = page.locator("connection-chip")
    shows(chip, "catching_up", "catching up 1")
    expect(chip).to_have_attribute("title", re.compile(f"Nothing is left out.\nLike this since {TIME}"))
    stream.say(ev(stream.sub, 1, 1), caught_up(stream.sub, 1))
    shows(chip, "polling", "polling")
    expect(chip).to_have_attribute("title", re.compile("plain HTTP.* Nothing is lost"))
    expect(chip).to_have_attribute(
        "title", re.compile(f"Like this since {TIME}. The WebSocket is tried again at {TIME}")
    )
    expect(chip.get_by_role("status")).to_have_text(re.compile("polling. Updates come over plain HTTP"))
    live.shut = lambda: None  # a trial that hangs
    page.evaluate("() => dispatchEvent(new Event('online'))")
    expect(chip).to_have_attribute("title", re.compile("The WebSocket is being tried again now"))


def test_it_is_live_once_the_socket_gets_through(
    page: Page, site: Site, live: ScriptedHttp, feed_server: ScriptedFeed
) -> None:
    stream = behind_a_strict_proxy(page, site, live)
    stream.say(ev(stream.sub, 1, 1), caught_up(stream.sub, 1))
    chip = page.locator("connection-chip")
    shows(chip, "polling", "polling")
    live.shut = None
    page.evaluate("() => dispatchEvent(new Event('online'))")
    talk = feed_server.talk(0)
    talk.say(caught_up(accept(talk, head=1, epoch="e"), 1))
    shows(chip, "live", "live")


def test_reconnecting_says_since_when_and_what_happens_next(rollout: Rollout) -> None:
    rollout.talk.say({"t": "hb", "now": 1, "heads": {}})
    rollout.talk.close(1012)
    chip = rollout.page.locator("connection-chip")
    shows(chip, "reconnecting", re.compile("reconnecting"))
    expect(chip).to_have_attribute("title", re.compile(f"since {TIME}.*Nothing is lost", re.DOTALL))


def test_before_any_contact_it_names_no_time(page: Page, site: Site, live: ScriptedHttp) -> None:
    live.shut = lambda: b""
    show_page(page, site, "/livefeed/history", snapshot_of())
    chip = page.locator("connection-chip")
    shows(chip, "reconnecting", re.compile("reconnecting"))
    expect(chip).to_have_attribute(
        "title", re.compile(f"^The server could not be reached yet. Like this since {TIME}")
    )


def test_an_ended_rollout_whose_log_is_on_its_way_is_not_said_to_have_none(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    snapshot = snapshot_of()
    snapshot["rollout"] |= {"state": "succeeded"}
    show_page(page, site, feed_server.url.replace("ws:", "http:") + "history", snapshot)
    empty = page.locator("log-pane .lp-empty")
    sub = accept(feed_server.talk(0), head=0, epoch="e")
    expect(empty).to_have_text("The log has not arrived yet.")
    feed_server.talk(0).say(caught_up(sub, 0))
    expect(empty).to_have_text("No line was written.")


def test_what_it_means_opens_by_a_tap_and_closes_again(rollout: Rollout) -> None:
    chip = rollout.page.locator("connection-chip")
    note = chip.locator(".cc-note")
    shows(chip, "live", "live")
    expect(note).to_be_hidden()
    chip.get_by_role("button", name="live").click()
    expect(note).to_be_visible()
    expect(note).to_have_text("Events are shown as soon as they are stored.")
    rollout.page.keyboard.press("Escape")
    expect(note).to_be_hidden()
