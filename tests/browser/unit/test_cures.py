"""A host that could not take part has its cure beside it, in the words that the server brought along."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.browser.unit.rollout_page import Rollout

pytestmark = pytest.mark.browser

BRINGS_CURES = """text => {
  const island = document.createElement("div");
  island.id = "rollout-cures";
  island.textContent = text;
  document.body.append(island);
}"""


def test_the_cure_stands_beside_the_host(rollout: Rollout) -> None:
    page = rollout.page
    page.evaluate(BRINGS_CURES, json.dumps({"host_key_unknown": "Type trust %(host)s."}))
    rollout.rollout("running", 2)
    rollout.target(1, "failed", 2, reason="host_key_unknown")
    rollout.target(2, "failed", 2, reason="exit 3")
    expect(page.locator("host-matrix").get_by_text("Type trust h1.").first).to_be_visible()
    expect(page.locator("host-matrix").get_by_text("Type trust h2.")).to_have_count(0)
