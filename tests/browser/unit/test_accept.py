"""A cancel that a host has not confirmed: what the page says, and the two ways on that it offers."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Route, expect

from rollcast.worker.stop import why_unconfirmed
from tests.browser.unit.rollout_page import Rollout

pytestmark = pytest.mark.browser

WHY = "still alive after KILL: process 4711"


def cancel_unconfirmed(rollout: Rollout, *hosts: int) -> None:
    rollout.rollout("cancelling", 2, wanted="cancel")
    for host in hosts:
        rollout.target(host, "cancelling", 2)
        rollout.step(host, 0, "running", 2, stop_evidence="unconfirmed", detail=WHY)


@pytest.mark.parametrize("why", [why_unconfirmed(left) for left in ("4711", "12 34! 56!", "")])
def test_why_is_said_in_the_readers_language(rollout: Rollout, why: str) -> None:
    page = rollout.page
    page.evaluate("() => (globalThis.gettext = (id) => `«${id}»`)")
    rollout.rollout("cancelling", 2, wanted="cancel")
    rollout.target(1, "cancelling", 2)
    rollout.step(1, 0, "running", 2, stop_evidence="unconfirmed", detail=why)
    expect(page.locator("tr[data-host=h1] + .hm-said td")).to_contain_text(f" · «{why}»")
    expect(page.locator(".lp-note .lp-text").last).to_contain_text(f" · «{why}»")


def test_a_host_that_does_not_answer_is_said_to_be_silent_in_the_readers_language(rollout: Rollout) -> None:
    page = rollout.page
    page.evaluate("() => (globalThis.gettext = (id) => `«${id}»`)")
    rollout.rollout("cancelling", 2, wanted="cancel")
    rollout.target(1, "cancelling", 2)
    why = "h1: no answer to look within 10 s"
    rollout.step(1, 0, "running", 2, stop_evidence="unconfirmed", detail=why)
    expect(page.locator("tr[data-host=h1] + .hm-said td")).to_contain_text("«h1: no answer within 10 s»")


def answered(rollout: Rollout, verb: str, status: int = 202) -> list[dict[str, object]]:
    """What is posted to the verb's address, as it comes."""
    asked: list[dict[str, object]] = []

    def answer(route: Route) -> None:
        asked.append(json.loads(route.request.post_data or ""))
        route.fulfill(status=status, json={"id": 1})

    rollout.page.route(f"**/api/1/{verb}", answer)
    return asked


def test_it_says_since_when_why_and_what_can_be_done(rollout: Rollout) -> None:
    page = rollout.page
    cancel_unconfirmed(rollout, 1)
    since = page.evaluate("() => new Date(5).toTimeString().slice(0, 8)")
    expect(page.locator(".rh-advice")).to_contain_text(
        f"1 host has not confirmed since {since} that its step has stopped."
    )
    expect(page.locator("tr[data-host=h1] + .hm-said td")).to_contain_text(
        f"step 0 · unconfirmed: the host has not said that it stopped · {WHY}"
    )
    expect(page.get_by_role("button", name="Only problems (1)")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel again")).to_be_visible()
    rollout.step(1, 0, "cancelled", 3, stop_evidence="stopped")
    expect(page.locator(".rh-advice")).to_be_hidden()
    expect(page.locator("rollout-verbs button:visible")).to_have_count(0)


def test_cancel_again_asks_at_once(rollout: Rollout) -> None:
    cancel_unconfirmed(rollout, 1)
    asked = answered(rollout, "cancel")
    rollout.page.get_by_role("button", name="Cancel again").click()
    expect(rollout.page.get_by_role("button", name="Cancel again")).to_be_enabled()
    assert asked == [{}]


def test_accept_wants_hosts_and_a_reason_and_shows_name_and_reason(rollout: Rollout) -> None:
    page = rollout.page
    cancel_unconfirmed(rollout, 1, 2)
    expect(page.locator("tr[data-host=h2]")).to_contain_class("is-unconfirmed")
    asked = answered(rollout, "accept")
    page.get_by_role("button", name="Accept…").click()
    dialog = page.get_by_role("dialog")
    accept = dialog.get_by_role("button", name="Accept as cancelled")
    accept.click()
    expect(dialog).to_be_visible()  # no host is chosen
    dialog.get_by_label("h2").check()
    accept.click()
    expect(dialog).to_be_visible()  # no reason is given
    dialog.get_by_label("Why it is safe").fill("h2 is scrap")
    accept.click()
    expect(dialog).to_be_hidden()
    rollout.tell(
        "rollout", "rollout.accepted", {"by": "user:olga", "targets": ["h2"], "reason": "h2 is scrap"}
    )
    accepted = {"accepted_by": "user:olga", "accepted_reason": "h2 is scrap"}
    rollout.step(2, 0, "cancelled", 3, stop_evidence="unconfirmed", detail=WHY, **accepted)
    rollout.target(2, "cancelled", 3)
    expect(page.locator("tr[data-host=h2] + .hm-said td")).to_have_text(
        f"step 0 · unconfirmed: the host has not said that it stopped · {WHY} · accepted by olga: h2 is scrap"
    )
    expect(page.locator(".lp-note .lp-text").filter(has_text="accepted as unconfirmed")).to_have_text(
        "⊘ accepted as unconfirmed by olga · h2 · h2 is scrap"
    )
    assert asked == [{"targets": ["h2"], "reason": "h2 is scrap"}]


def test_one_host_is_chosen_already_and_going_back_sends_nothing(rollout: Rollout) -> None:
    page = rollout.page
    cancel_unconfirmed(rollout, 1)
    asked = answered(rollout, "accept")
    page.get_by_role("button", name="Accept…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("h1")).to_be_checked()
    dialog.get_by_role("button", name="Go back").click()
    expect(dialog).to_be_hidden()
    assert asked == []
