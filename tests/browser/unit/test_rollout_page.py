"""The rollout page whole: snapshot and scripted feed in, what a person sees and does out."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.unit.rollout_page import Rollout, open_page
from tests.browser.unit.scripted import ScriptedFeed
from tests.browser.unit.site import Site
from tests.browser.unit.test_state import snapshot_of
from tests.waiting import eventually

pytestmark = pytest.mark.browser


def test_it_asks_for_the_whole_log_in_the_snapshots_epoch(rollout: Rollout) -> None:
    assert (rollout.sub["feed"], rollout.sub["epoch"], rollout.sub["after"]) == ("rollout/1", "e", 0)
    expect(rollout.page.locator(".cc-text")).to_have_text("live")
    expect(rollout.page.locator("connection-chip")).to_have_attribute("data-state", "live")


def test_states_reach_matrix_header_waves_and_the_tab(rollout: Rollout) -> None:
    page = rollout.page
    rollout.rollout("running", 2)
    rollout.target(1, "running", 2)
    rollout.step(1, 0, "running", 1)
    row = page.locator("tr[data-host=h1]")
    expect(row).to_have_class("hm-row s-running")
    expect(row.locator("td[data-step='0']")).to_have_class("hm-cell s-running")
    expect(row.locator("td[data-step='1']")).to_have_class("hm-cell s-none")
    expect(page.locator("rollout-header .rh-state")).to_have_text("● Running")
    expect(page.locator("wave-strip li").first).to_have_class("ws-wave s-running is-current")
    rollout.step(1, 0, "failed", 2, exit_code=3)
    rollout.target(1, "failed", 3, reason="exit 3")
    rollout.target(2, "succeeded", 2)
    expect(row.locator("td[data-step='0']")).to_have_attribute(
        "title", re.compile("step 0 · Failed · Exit code 3")
    )
    expect(row.get_by_role("button")).to_have_attribute("title", "h1 · Failed · step 0 · Exit code 3")
    expect(page.locator("wave-strip .ws-progress").first).to_have_text("2 / 2")
    expect(page.locator("wave-strip .ws-failed").first).to_have_text("✕ 1")
    expect(page.locator("rollout-header [data-state=failed]")).to_have_text("✕ 1 Failed")
    assert page.title() == "● 33% · 1✕ · update #1"
    rollout.rollout("succeeded", 3)
    expect(page.locator("rollout-header .rh-state")).to_have_text("✓ Succeeded")
    expect(page.locator("rollout-header .rh-result")).to_have_text("1 failed")
    assert page.title() == "✓ · 1✕ · update #1"


def test_an_event_that_the_snapshot_knew_changes_nothing(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    snapshot = snapshot_of()
    snapshot["targets"][0] |= {"state": "succeeded", "version": 5}
    rollout = open_page(page, site, feed_server, snapshot)
    rollout.target(1, "running", 4)
    rollout.target(2, "running", 2)
    expect(page.locator("tr[data-host=h2]")).to_have_class("hm-row s-running")
    expect(page.locator("tr[data-host=h1]")).to_have_class("hm-row s-succeeded")


def test_lines_and_notes_are_seen_and_a_host_can_be_chosen(rollout: Rollout) -> None:
    page = rollout.page
    rollout.step(1, 0, "running", 1)
    rollout.tell("t1", "line", "one", "two", origin="t1/s0/a1")
    rollout.tell("t2", "cont", "un", origin="t2/s0/a1")
    rollout.tell("t2", "line", "finished", origin="t2/s0/a1")
    rollout.step(1, 0, "failed", 2, exit_code=1)
    rollout.step(1, 0, "failed", 3, exit_code=1, journal_bytes=8)
    texts = page.locator(".lp-row:visible .lp-text")
    expect(texts).to_have_text(
        ["● step 1 step 0 · Running", "one", "two", "unfinished", "✕ step 1 step 0 · Failed · Exit code 1"]
    )
    page.get_by_role("button", name="h2").click()
    expect(texts).to_have_text(["unfinished"])
    expect(page.locator("tr[data-host=h2]")).to_contain_class("is-chosen")
    page.locator("log-pane").get_by_role("button", name="All hosts").click()
    expect(texts).to_have_count(5)
    expect(page.locator("tr[data-host=h2]")).not_to_contain_class("is-chosen")
    account = page.evaluate("() => document.querySelector('log-pane').store.applied()")
    assert {origin: one["count"] for origin, one in account.items()} == {"t1/s0/a1": 2, "t2/s0/a1": 1}


def test_an_upload_shows_how_far_it_is(rollout: Rollout) -> None:
    cell = rollout.page.locator("tr[data-host=h1] td[data-step='1']")
    rollout.step(1, 1, "running", 1)
    rollout.tell("t1", "upload.progress", {"step": 1, "bytes": 37, "total": 100})
    expect(cell).to_have_attribute("title", "step 1 · Running · 37% uploaded")
    rollout.step(1, 1, "succeeded", 2)
    expect(cell).to_have_attribute("title", "step 1 · Succeeded")


def test_a_host_that_failed_without_a_step_is_remarked_and_one_with_a_failed_step_not_twice(
    rollout: Rollout,
) -> None:
    rollout.step(1, 0, "failed", 1, exit_code=1)
    rollout.target(1, "failed", 2, reason="exit 1")
    rollout.target(2, "failed", 2, reason="unreachable")
    texts = rollout.page.locator(".lp-row:visible .lp-text")
    unreachable = "✕ host · Failed · The host could not be reached"
    expect(texts).to_have_text(["✕ step 1 step 0 · Failed · Exit code 1", unreachable])


def test_arrow_keys_walk_the_hosts_and_problems_can_be_filtered(rollout: Rollout) -> None:
    page = rollout.page
    rollout.target(4, "failed", 2)
    page.get_by_role("button", name="h1").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="h3")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".lp-host-title")).to_have_text("h3")
    page.keyboard.press("Escape")
    expect(page.locator(".lp-host-title")).to_have_text("All hosts")
    page.get_by_role("button", name="Only problems (1)").click()
    expect(page.locator("tr.hm-row:visible")).to_have_count(1)


def test_above_300_hosts_there_is_a_dot_for_each(page: Page, site: Site, feed_server: ScriptedFeed) -> None:
    rollout = open_page(page, site, feed_server, snapshot_of(hosts=302))
    expect(page.locator(".hm-dot")).to_have_count(302)
    rollout.target(302, "lost", 2)
    expect(page.locator(".hm-dot[data-host=h302]")).to_contain_class("s-lost")
    page.locator(".hm-dot[data-host=h302]").click()
    expect(page.locator(".lp-host-title")).to_have_text("h302")


def test_pause_posts_with_the_token_and_says_what_is_going_on(rollout: Rollout, site: Site) -> None:
    page = rollout.page
    rollout.rollout("running", 2)
    rollout.target(1, "running", 2)
    rollout.step(1, 0, "running", 1)
    page.get_by_role("button", name="Pause").click()
    eventually(lambda: len(site.posts) == 1)
    path, headers, _ = site.posts[0]
    assert (path, headers["x-csrftoken"]) == ("/api/1/pause", "token")
    rollout.tell("rollout", "rollout.paused", {"by": "user:olga"})
    rollout.rollout("running", 3, wanted="pause")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    expect(page.locator(".rh-state")).to_have_text("◐ Pausing")
    expect(page.locator(".rh-result")).to_have_text("1 host still finishes its step")
    expect(page.locator(".rh-by")).to_have_text("paused by olga")


def test_cancel_asks_first_and_going_back_sends_nothing(rollout: Rollout, site: Site) -> None:
    page = rollout.page
    rollout.rollout("running", 2)
    page.get_by_role("button", name="Cancel rollout").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Cancel this rollout?")
    dialog.get_by_role("button", name="Go back").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Cancel rollout").click()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert site.posts == []
    page.get_by_role("button", name="Cancel rollout").click()
    dialog.get_by_role("button", name="Cancel rollout").click()
    eventually(lambda: [path for path, *_ in site.posts] == ["/api/1/cancel"])


def test_retry_names_the_hosts(rollout: Rollout, site: Site) -> None:
    page = rollout.page
    rollout.target(2, "failed", 2)
    rollout.rollout("succeeded", 2)
    page.get_by_role("button", name="Retry").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 host goes on from the step it stopped at: h2")
    dialog.get_by_role("button", name="Retry").click()
    eventually(lambda: [path for path, *_ in site.posts] == ["/api/1/retry"])


@pytest.mark.parametrize(
    ("status", "body", "message", "cure"),
    [
        (
            409,
            {"problems": [{"message": "The rollout has ended.", "cure": "Start another."}]},
            "The rollout has ended.",
            "Start another.",
        ),
        (401, {"error": "sign_in"}, "You are no longer signed in.", "Sign in in another tab and try again."),
        (500, {}, "The server answered 500.", "Try again."),
    ],
)
def test_a_refused_verb_says_why_and_what_helps(
    rollout: Rollout, site: Site, status: int, body: dict[str, Any], message: str, cure: str
) -> None:
    site.post_answer = (status, json.dumps(body))
    page = rollout.page
    page.get_by_role("button", name="Pause").click()
    alert = page.get_by_role("alert")
    expect(alert.locator(".rv-message")).to_have_text(message)
    expect(alert.locator(".rv-cure")).to_have_text(cure)
    expect(page.get_by_role("button", name="Pause")).to_be_enabled()
    alert.get_by_role("button", name="Dismiss").click()
    expect(alert).to_be_hidden()


def test_keys_work_and_are_shown(rollout: Rollout) -> None:
    page = rollout.page
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("f?")
    expect(page.get_by_role("searchbox")).to_have_value("f?")
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Next failure in the log")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_chip_counts_down_and_offers_help(rollout: Rollout, feed_server: ScriptedFeed) -> None:
    chip = rollout.page.locator("connection-chip")
    rollout.talk.close(4501)
    expect(chip).to_have_attribute("data-state", "stopped")
    expect(chip).to_contain_text("stopped: not signed in")
    expect(chip.get_by_role("link", name="Sign in")).to_have_attribute("href", "/sign-in/")


def test_reconnecting_says_in_how_many_seconds(page: Page, site: Site, feed_server: ScriptedFeed) -> None:
    page.add_init_script("Math.random = () => 0.9;")
    rollout = open_page(page, site, feed_server, snapshot_of())
    page.evaluate("() => { window.kept = true; }")
    rollout.talk.say({"t": "welcome", "retry": {"first_max_ms": 30000, "cap_ms": 30000}})
    chip = page.locator("connection-chip")
    rollout.tell("t1", "line", "x")
    expect(page.locator(".lp-row:visible")).to_have_count(1)
    rollout.talk.close(1012)
    expect(chip).to_contain_text("reconnecting in 2")
    chip.get_by_role("button", name="Now").click()
    feed_server.talk(1).hear("hello")


def test_another_history_loads_the_page_anew_once(rollout: Rollout, feed_server: ScriptedFeed) -> None:
    reset = {"t": "reset", "reason": "epoch", "epoch": "other", "first": 1, "head": 0}
    rollout.talk.say(reset | {"id": rollout.sub["id"]})
    talk = feed_server.talk(1)
    talk.welcome()
    talk.say(reset | {"id": talk.hear("sub")["id"]})
    again = talk.hear("sub", 1)
    assert (again["epoch"], again["after"]) == ("other", 0)


def pruned(rollout: Rollout, first: int, head: int) -> dict[str, Any]:
    rollout.talk.say(
        {
            "t": "reset",
            "id": rollout.sub["id"],
            "reason": "pruned",
            "epoch": "e",
            "first": first,
            "head": head,
        }
    )
    return rollout.talk.hear("sub", 1)


def test_what_is_no_longer_kept_is_said_among_the_lines_of_all_and_of_each_host(
    page: Page, site: Site, feed_server: ScriptedFeed
) -> None:
    snapshot = snapshot_of()
    snapshot["feed"] |= {"head": 1500}
    rollout = open_page(page, site, feed_server, snapshot)
    again = pruned(rollout, 1201, 1500)
    assert (again["epoch"], again["after"]) == ("e", 1200)
    rollout.sub, rollout.seq = again, 1200
    rollout.talk.say(
        {
            "t": "subok",
            "id": again["id"],
            "epoch": "e",
            "first": 1201,
            "head": 1500,
            "after": 1200,
            "closed": False,
        }
    )
    rollout.tell("t1", "line", "one", origin="t1/s0/a1")
    rows = page.locator(".lp-row:visible")
    expect(rows.locator(".lp-text")).to_have_text(["– 1,200 older events are no longer kept", "one"])
    expect(rows.first.locator(".lp-time")).to_have_text("")
    page.get_by_role("button", name="h2").click()
    expect(rows.locator(".lp-text")).to_have_text(["– 1,200 older events are no longer kept"])


def test_what_went_after_the_page_was_painted_took_states_along_so_it_is_loaded_anew(
    rollout: Rollout, feed_server: ScriptedFeed
) -> None:
    rollout.page.evaluate("() => { window.kept = true; }")
    rollout.talk.say(
        {"t": "reset", "id": rollout.sub["id"], "reason": "pruned", "epoch": "e", "first": 900, "head": 1500}
    )
    feed_server.talk(1).welcome()
    assert rollout.page.evaluate("() => window.kept") is None
