"""The main job behind a proxy that lets no WebSocket through: every line, and the chip says how it comes.

One rollout of the real demo over 12 hosts, in Chromium. The proxy strips the upgrade; another one also holds
streams back until they end. In the middle of the rollout it lets sockets through.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import chromium
from tests.browser.demo_site import DemoSite, demo_site
from tests.browser.test_demo_rollout import applied, decoded
from tests.chaos import ChaosProxy
from tests.waiting import eventually

pytestmark = pytest.mark.browser

HOSTS = 12
ROLLOUT_S = 150.0
# The page's first tries come soon, so that it has fallen back while the first wave runs.
SOON = "Math.random = () => 0.02;"
# What the page has asked for over HTTP.
ASKED = "() => performance.getEntriesByType('resource').map((entry) => entry.name)"


@pytest.fixture
def proxy() -> Iterator[ChaosProxy]:
    with ChaosProxy(("127.0.0.1", 1)) as chaos:
        chaos.strips_upgrade = True
        yield chaos


@pytest.fixture
def demo(tmp_path: Path, proxy: ChaosProxy) -> Iterator[DemoSite]:
    words = ("--hosts", str(HOSTS), "--speed", "10", "--port", "0")
    with demo_site(tmp_path, *words, origins=[f"http://127.0.0.1:{proxy.port}"]) as site:
        proxy.retarget(site.port)
        yield site


@pytest.fixture
def page(demo: DemoSite, proxy: ChaosProxy) -> Iterator[Page]:
    """Signed in, on the page of a rollout that has just been started."""
    with chromium(shell=True) as browser:
        context = browser.new_context(base_url=f"http://127.0.0.1:{proxy.port}", locale="en-GB")
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.add_init_script(SOON)
        page.goto(demo.sign_in_path)
        page.get_by_role("button", name="Sign in").click()
        page.goto("/rollouts/new/")
        page.get_by_label("version").fill("1.43.0")
        expect(page.locator("#preview")).to_contain_text(str(HOSTS))
        page.get_by_role("button", name="Start", exact=True).click()
        page.wait_for_url(re.compile(r"/rollouts/\d+/$"))
        yield page


def lines(page: Page) -> int:
    """How many the page has applied."""
    return sum(entry["count"] for entry in applied(page).values())


@pytest.mark.parametrize("way", ["stream", pytest.param("poll", marks=pytest.mark.long)])
def test_every_line_comes_over_plain_http_and_then_over_the_socket_again(
    page: Page, demo: DemoSite, proxy: ChaosProxy, way: str
) -> None:
    if way == "poll":
        proxy.holds_streams = True
        page.reload()
    chip = page.locator("connection-chip")
    expect(chip).to_have_attribute("data-state", "polling")
    expect(chip).to_have_attribute("title", re.compile("The WebSocket is tried again at"))
    before = lines(page)
    eventually(lambda: lines(page) > before + 50, ROLLOUT_S, "lines over HTTP")
    assert any("wait=" in url for url in page.evaluate(ASKED)) == (way == "poll")
    proxy.cut_all()
    before = lines(page)
    eventually(lambda: lines(page) > before, ROLLOUT_S, "lines after a cut")

    proxy.strips_upgrade = False
    page.evaluate("() => dispatchEvent(new Event('online'))")
    expect(chip).to_have_attribute("data-state", "live")
    over = re.compile("s-(succeeded|failed)")
    expect(page.locator("rollout-header .rh-state")).to_have_class(over, timeout=ROLLOUT_S * 1000)
    journals = demo.journals()
    account = applied(page)
    assert {origin for origin, journal in journals.items() if journal} == set(account)
    for origin, entry in account.items():
        text = decoded(journals[origin])
        assert entry["count"] == text.count("\n"), origin
        assert entry["sha256"] == hashlib.sha256(text.encode()).hexdigest(), origin
