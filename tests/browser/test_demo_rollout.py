"""The main job in a real browser, through a network that cuts: nothing lost, repeated or out of order.

One rollout of the real demo over 24 hosts. Between Chromium and the console stands a proxy that cuts the
socket again and again in the middle of a message. What the page applied is compared with the journal files on
the hosts, decoded by Python's own codecs.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import chromium
from tests.browser.demo_site import DemoSite, demo_site
from tests.chaos import ChaosProxy, Cut
from tests.waiting import eventually

pytestmark = pytest.mark.browser

CUTS = 20
ROLLOUT_S = 150.0
SCROLL_POSITIONS = 20
# The page comes back soon, so that twenty cuts fit into one rollout.
SETTINGS = "LIVEFEED:\n  RETRY_FIRST_MAX_MS: 200\n  RETRY_CAP_MS: 300\n"
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


@pytest.fixture
def proxy() -> Iterator[ChaosProxy]:
    with ChaosProxy(("127.0.0.1", 1)) as chaos:
        yield chaos


@pytest.fixture
def demo(tmp_path: Path, proxy: ChaosProxy) -> Iterator[DemoSite]:
    (tmp_path / "settings.yml").write_text(SETTINGS)
    with demo_site(
        tmp_path,
        *("--hosts", "24", "--speed", "10", "--port", "0"),
        origins=[f"http://127.0.0.1:{proxy.port}"],
    ) as site:
        proxy.retarget(site.port)
        yield site


@pytest.fixture
def page(demo: DemoSite, proxy: ChaosProxy) -> Iterator[Page]:
    with chromium() as browser:
        context = browser.new_context(
            viewport={"width": 1440, "height": 900}, base_url=f"http://127.0.0.1:{proxy.port}", locale="en-GB"
        )
        page = context.new_page()
        page.set_default_timeout(20_000)
        yield page


def cuts_in_mid_message() -> Iterator[Cut]:
    """Every new socket ends a few messages after its handshake, some bytes into the next one.

    No message of the protocol is shorter than 21 bytes, so each of these cuts falls inside one.
    """
    chance = random.Random(20)
    while True:
        yield Cut(frames=chance.randint(2, 6), size=chance.randint(3, 20))


def applied(page: Page) -> dict[str, Any]:
    """Step run → {count, tail, sha256} of what the page has applied."""
    account: dict[str, Any] = page.evaluate("() => document.querySelector('log-pane').store.applied()")
    return account


def texts(page: Page, origin: str) -> list[str]:
    said: dict[str, Any] = page.evaluate("(o) => document.querySelector('log-pane').store.texts(o)", origin)
    return [*said["lines"], *([said["tail"]] if said["tail"] else [])]


def decoded(journal: bytes) -> str:
    return journal.decode("utf-8", "backslashreplace").replace("\0", "␀")


def shown(line: str) -> str:
    """What a terminal would show of a line, colours aside."""
    return ESCAPES.sub("", line).rstrip("\r").rsplit("\r", 1)[-1]


def sign_in_and_start(page: Page, demo: DemoSite) -> None:
    page.goto(demo.sign_in_path)
    page.get_by_role("button", name="Sign in").click()
    page.goto("/rollouts/new/")
    page.get_by_label("version").fill("1.43.0")
    expect(page.locator("#preview")).to_contain_text("24")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"/rollouts/\d+/$"))


def test_every_line_reaches_the_page_through_twenty_cuts_and_a_reload(
    page: Page, demo: DemoSite, proxy: ChaosProxy
) -> None:
    sign_in_and_start(page, demo)
    expect(page.locator(".lp-row[data-kind=line]").first).to_be_visible(timeout=30_000)

    proxy.plan(cuts_in_mid_message())
    proxy.cut_all()
    eventually(lambda: proxy.cuts >= CUTS // 2, ROLLOUT_S, "half of the cuts")
    before = {origin: texts(page, origin) for origin in applied(page)}
    written = {origin: decoded(journal) for origin, journal in demo.journals().items()}
    assert before
    for origin, lines in before.items():
        assert written[origin].startswith("\n".join(lines)), origin

    proxy.plan([])
    page.reload()
    expect(page.locator(".lp-row[data-kind=line]").first).to_be_visible(timeout=30_000)
    proxy.plan(cuts_in_mid_message())
    proxy.cut_all()
    eventually(lambda: proxy.cuts >= CUTS, ROLLOUT_S, "all of the cuts")

    proxy.plan([])
    expect(page.locator(".rh-result")).to_contain_text("2 failed", timeout=ROLLOUT_S * 1000)
    expect(page.locator("connection-chip")).to_have_attribute("data-state", "live")
    journals = demo.journals()
    account = applied(page)
    assert {origin for origin, journal in journals.items() if journal} == set(account)
    for origin, entry in account.items():
        text = decoded(journals[origin])
        assert entry["count"] == text.count("\n"), origin
        assert entry["sha256"] == hashlib.sha256(text.encode()).hexdigest(), origin
    assert sum(entry["count"] for entry in account.values()) >= 24 * 50
    read_rows_at_scroll_positions(page, journals)


def read_rows_at_scroll_positions(page: Page, journals: dict[str, bytes]) -> None:
    """What stands on the screen, not only in memory."""
    lines = {origin: decoded(journal).split("\n") for origin, journal in journals.items()}
    seen = 0
    for position in range(SCROLL_POSITIONS):
        rows: list[dict[str, Any]] = page.evaluate(
            """async (share) => {
                const scroll = document.querySelector(".lp-scroll");
                scroll.scrollTop = share * (scroll.scrollHeight - scroll.clientHeight);
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                const rows = [...document.querySelectorAll(".lp-row[data-kind=line]")];
                const top = (row) => row.getBoundingClientRect().top;
                const visible = rows.filter((row) => row.checkVisibility());
                return visible.sort((a, b) => top(a) - top(b)).map((row) => ({
                    origin: row.dataset.origin, nth: Number(row.dataset.nth), seq: Number(row.dataset.seq),
                    text: row.querySelector(".lp-text").textContent }));
            }""",
            position / (SCROLL_POSITIONS - 1),
        )
        assert rows
        assert [row["seq"] for row in rows] == sorted(row["seq"] for row in rows)
        for row in rows:
            assert row["text"] == shown(lines[row["origin"]][row["nth"] - 1]), row
        seen += len(rows)
    assert seen >= SCROLL_POSITIONS * 10
