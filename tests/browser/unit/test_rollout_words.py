"""What the rollout page says: every state in words, what a person can do, evidence and account per host."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.unit.rollout_page import Rollout, open_page
from tests.browser.unit.scripted import ScriptedFeed
from tests.browser.unit.site import Site
from tests.browser.unit.test_state import snapshot_of

pytestmark = pytest.mark.browser


def test_a_step_that_was_cut_off_says_what_a_person_can_do(rollout: Rollout) -> None:
    page = rollout.page
    rollout.target(1, "running", 2)
    rollout.step(1, 0, "interrupted", 1, reason="gone")
    rollout.target(1, "running", 3, reason="interrupted")
    expect(page.locator(".rh-advice")).to_have_text(
        "↯1 host waits for a person: its step was cut off."
        " Retry runs the step again; cancel ends the rollout."
    )
    remark = "step 0 was cut off: retry runs it again, cancel gives it up"
    expect(page.locator("tr[data-host=h1] + .hm-said td")).to_have_text(remark)
    title = f"h1 · Waiting for a person · {remark}"
    expect(page.get_by_role("button", name="h1")).to_have_attribute("title", title)
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    rollout.target(1, "running", 4)
    expect(page.locator(".rh-advice")).to_be_hidden()
    expect(page.locator("tr[data-host=h1] + .hm-said")).to_be_hidden()


def test_an_unreadable_recipe_says_what_is_wrong_and_offers_no_retry(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    snapshot = snapshot_of()
    snapshot["rollout"] |= {"state": "running"}
    snapshot["targets"][0] |= {"state": "running", "reason": "recipe_unreadable", "detail": "line 3: paces"}
    open_page(page, site, feed_server, snapshot)
    said = page.locator("tr[data-host=h1] + .hm-said td")
    expect(said).to_have_text("The recipe can no longer be read; cancel and start anew · line 3: paces")
    expect(page.get_by_role("button", name="Retry")).to_be_hidden()
    expect(page.get_by_role("button", name="Cancel", exact=False).first).to_be_visible()


def test_a_lost_host_says_since_when_and_that_nothing_is_decided(rollout: Rollout) -> None:
    page = rollout.page
    rollout.target(1, "lost", 2, reason="contact_lost")
    since = page.evaluate("() => new Date(5).toTimeString().slice(0, 8)")
    expect(page.locator(".rh-advice")).to_contain_text(
        f"1 host is lost since {since}. Nothing is decided yet"
    )
    expect(page.locator("tr[data-host=h1] + .hm-said td")).to_have_text(
        f"no contact since {since}; nothing is decided yet, the step may still run"
    )


@pytest.mark.parametrize(
    ("evidence", "state", "words"),
    [
        ("stopped", "cancelled", "stopped on the host"),
        ("already_ended", "succeeded", "had already ended on the host"),
        ("unconfirmed", "running", "unconfirmed: the host has not said that it stopped"),
    ],
)
def test_after_a_cancel_each_host_shows_what_was_seen_of_its_step(
    rollout: Rollout, evidence: str, state: str, words: str
) -> None:
    page = rollout.page
    rollout.step(1, 0, "running", 1)
    rollout.tell("rollout", "rollout.cancelled", {"by": "user:olga"})
    rollout.target(1, "cancelling", 2)
    rollout.step(1, 0, state, 2, stop_evidence=evidence)
    expect(page.locator("tr[data-host=h1] + .hm-said td")).to_have_text(f"step 0 · {words}")
    expect(page.get_by_role("button", name="h1")).to_have_attribute(
        "title", f"h1 · Cancelling · step 0 · {words}"
    )
    notes = page.locator(".lp-note:visible .lp-text")
    expect(notes.nth(1)).to_have_text("⊘ cancel by olga")
    expect(notes.nth(2)).to_contain_text(words)


def test_a_steps_account_stands_in_its_cell(rollout: Rollout) -> None:
    page = rollout.page
    known = {"exit_code": 0, "journal_sha256": "1f" * 32}
    rollout.step(1, 0, "succeeded", 1, journal_bytes=12345, journal_same=True, **known)
    rollout.step(1, 1, "failed", 1, journal_bytes=1, journal_same=False, reason="journal_differs", **known)
    cells = page.locator("tr[data-host=h1] td")
    same = f"12,345 bytes of output ✓ same count and digest as on the host · sha256 {'1f' * 32}"
    expect(cells.nth(0)).to_have_attribute("title", f"step 0 · Succeeded · {same}")
    expect(cells.nth(0)).to_contain_class("is-stored")
    differs = "What was received is not what the host wrote"
    said = f"1 byte of output ✕ what is stored is not the same · sha256 {'1f' * 32}"
    expect(cells.nth(1)).to_have_attribute("title", f"step 1 · Failed · {differs} · {said}")
    expect(cells.nth(1)).not_to_contain_class("is-stored")
    expect(page.locator(".lp-note .lp-text").first).to_have_text(
        "✓ step 1 step 0 · Succeeded · 12,345 bytes ✓"
    )


def test_the_cancel_dialog_says_what_becomes_of_every_host(rollout: Rollout) -> None:
    page = rollout.page
    rollout.rollout("running", 2)
    rollout.target(1, "running", 2)
    expect(page.locator("tr[data-host=h1]")).to_contain_class("s-running")
    page.get_by_role("button", name="Cancel rollout").click()
    expect(page.get_by_role("dialog")).to_contain_text(
        "1 host is at work: its step is stopped on the host. "
        "5 hosts have not begun: they are cancelled and nothing runs on them. "
        "What has ended stays as it is. A cancelled rollout cannot go on."
    )


def test_the_foot_counts_with_the_rows(rollout: Rollout) -> None:
    rollout.page.clock.install()  # no timer runs: the foot must not wait for one
    rollout.tell("t1", "line", "one", "two", origin="t1/s0/a1")
    expect(rollout.page.locator(".lp-foot")).to_contain_text("2 lines")


def test_notes_stand_in_the_columns_of_lines(rollout: Rollout) -> None:
    rollout.step(1, 0, "failed", 1, exit_code=1)
    rollout.tell("t1", "line", "one", origin="t1/s0/a1")
    texts = rollout.page.locator(".lp-row:visible .lp-text")
    expect(texts).to_have_count(2)
    expect(rollout.page.locator(".lp-note")).to_contain_class("is-alarm")
    boxes = [texts.nth(n).bounding_box() for n in range(2)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["x"] == boxes[1]["x"]


def test_on_a_phone_hosts_and_log_are_two_tabs(page: Page, site: Site, feed_server: ScriptedFeed) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    rollout = open_page(page, site, feed_server, snapshot_of(hosts=24))
    page.evaluate("() => document.querySelector('.lp-scroll').style.removeProperty('height')")
    rollout.rollout("running", 2)
    rollout.target(1, "failed", 2)
    log, hosts = page.locator(".rollout-log"), page.locator(".rollout-hosts")
    expect(hosts).to_be_visible()
    expect(log).not_to_be_visible()
    page.get_by_role("tab", name="Log").click()
    expect(log).to_be_visible()
    expect(hosts).not_to_be_visible()
    box = log.bounding_box()
    assert box is not None
    assert box["height"] >= 0.6 * 844
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="Hosts")).to_be_focused()
    page.get_by_role("button", name="h1", exact=True).click()
    expect(log).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390


def test_a_log_that_grows_taller_goes_on_following(rollout: Rollout) -> None:
    page = rollout.page
    rollout.tell("t1", "line", *[f"line {n}" for n in range(200)], origin="t1/s0/a1")
    expect(page.locator(".lp-row:visible .lp-text").last).to_be_visible()
    page.evaluate("() => document.querySelector('.lp-scroll').style.setProperty('height', '480px')")
    expect(page.locator(".lp-row:visible")).to_have_count(24)
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "true")
