"""Pause, resume, cancel and retry on the real demo, by the buttons and in more than one browser.

One demo serves all but what needs slower steps; each test starts a rollout of its own. Only the first one
meets the two hosts that fail their first health check.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from rollcast.demo.power import marked_processes
from tests.browser.chromium import chromium
from tests.browser.demo_site import DemoSite, demo_site
from tests.waiting import eventually

pytestmark = pytest.mark.browser

OPTIONS = ("--hosts", "8", "--speed", "5", "--port", "0")
# Steps of some seconds, so that the end of the demo cannot come after theirs; then quickly on.
SLOW = ("--hosts", "4", "--speed", "0.5", "--port", "0")
FAST = ("--hosts", "4", "--speed", "20", "--port", "0")
ROLLOUT_MS = 120_000.0
# Every word that stood in the header's place for the state, so that a short one is not missed.
WATCH = """() => {
  const word = document.querySelector(".rh-word");
  window.words = [word.textContent];
  new MutationObserver(() => words.push(word.textContent))
    .observe(word, { childList: true, characterData: true, subtree: true });
}"""
SHOWN = """() => ({
  state: document.querySelector(".rh-state").textContent,
  result: document.querySelector(".rh-result").textContent,
  cells: [...document.querySelectorAll(".hm-cell")].map((cell) => cell.title),
  hosts: [...document.querySelectorAll(".hm-name")].map((name) => name.title),
  remarks: [...document.querySelectorAll(".hm-said:not([hidden])")].map((row) => row.textContent),
  lines: document.querySelector("log-pane").store.applied(),
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(shell=True) as one:
        yield one


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoSite]:
    with demo_site(tmp_path_factory.mktemp("demo"), *OPTIONS) as site:
        yield site


@pytest.fixture(scope="module")
def person(browser: Browser, demo: DemoSite) -> BrowserContext:
    """A browser with its own cookies in which somebody signed in by the demo's link."""
    return signed_in(browser, demo)


def signed_in(browser: Browser, site: DemoSite) -> BrowserContext:
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, base_url=f"http://127.0.0.1:{site.port}", locale="en-GB"
    )
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto(site.sign_in_path)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    return context


def another(browser: Browser, person: BrowserContext, page: Page, **options: Any) -> Page:
    """The same address in a browser that has never seen it: another room, or a day later."""
    base = re.sub(r"(://[^/]+)/.*", r"\1", page.url)
    given: dict[str, Any] = {"locale": "en-GB", "viewport": {"width": 1440, "height": 900}, **options}
    other = browser.new_context(storage_state=person.storage_state(), base_url=base, **given).new_page()
    other.goto(page.url)
    expect(other.locator("connection-chip")).to_have_attribute("data-state", "live")
    return other


def started(person: BrowserContext, version: str, waves: str = "1, 25%, rest") -> Page:
    page = person.new_page()
    page.goto("/rollouts/new/?recipe=update-game-server")
    page.get_by_label("version").fill(version)
    page.get_by_label("Waves").fill(waves)
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"/rollouts/\d+/$"))
    page.evaluate(WATCH)
    return page


def shown(page: Page) -> dict[str, Any]:
    answer: dict[str, Any] = page.evaluate(SHOWN)
    return answer


def state(page: Page) -> Locator:
    return page.locator(".rh-state")


def press(page: Page, verb: str) -> None:
    page.locator(f"rollout-verbs [data-verb={verb}]").click()


def wait_for_the_same(one: Page, two: Page) -> None:
    eventually(lambda: shown(one) == shown(two), what="both browsers show the same")


def test_pause_resume_and_retry(browser: Browser, person: BrowserContext) -> None:
    page = started(person, "1.43.0")
    other = another(browser, person, page)
    # A step of some seconds: "Pausing" lasts as long, so that the page cannot draw it together with "Paused".
    page.locator(".hm-cell.s-running[data-step='2']").first.wait_for(timeout=30_000)

    press(page, "pause")
    expect(state(page)).to_have_text("◐ Paused")
    expect(state(other)).to_have_text("◐ Paused")
    words = page.evaluate("() => window.words")
    assert words.index("Pausing") < words.index("Paused")
    expect(page.locator(".hm-cell.s-running, .hm-cell.s-starting")).to_have_count(0)
    at_rest = shown(page)
    wait_for_the_same(page, other)
    later = another(browser, person, page)
    wait_for_the_same(page, later)
    assert shown(page) == at_rest  # nothing has begun meanwhile
    expect(page.locator(".lp-note:visible").last).to_be_visible()
    assert "◐ pause by demo" in page.evaluate(
        "() => [...document.querySelectorAll('.lp-note .lp-text')].map((one) => one.textContent)"
    )

    press(other, "resume")
    expect(state(page)).to_have_text("● Running")
    expect(state(page)).to_have_text("✓ Succeeded", timeout=ROLLOUT_MS)
    expect(page.locator(".rh-result")).to_have_text("2 failed")
    failed = page.locator(".hm-row.s-failed")
    expect(failed).to_have_count(2)
    names = failed.locator(".hm-name").all_inner_texts()
    wait_for_the_same(page, other)

    press(page, "retry")
    dialog = page.get_by_role("dialog")
    for name in names:
        expect(dialog).to_contain_text(name.split()[-1])
    dialog.get_by_role("button", name="Retry").click()
    expect(page.locator(".rh-counts [data-state=succeeded] b")).to_have_text("8", timeout=ROLLOUT_MS)
    expect(state(page)).to_have_text("✓ Succeeded")
    expect(page.locator(".rh-result")).to_be_hidden()
    expect(page.locator(".hm-cell[title*='Attempt 2']")).to_have_count(2)
    verified = page.locator(".hm-cell[title*='✓ same count and digest as on the host']")
    expect(verified).to_have_count(8 * 8)  # of the nine steps, the upload writes no output

    wait_for_the_same(page, other)
    before = shown(page)
    page.reload()
    expect(page.locator("connection-chip")).to_have_attribute("data-state", "live")
    eventually(lambda: shown(page) == before, what="the reloaded page shows the same")


def test_cancel_leaves_nothing_running_and_says_so_per_host(browser: Browser, tmp_path: Path) -> None:
    with demo_site(tmp_path, *SLOW) as demo:
        person = signed_in(browser, demo)
        cancels_in_mid_step(browser, person, demo)
        person.close()


def cancels_in_mid_step(browser: Browser, person: BrowserContext, demo: DemoSite) -> None:
    page = started(person, "1.42.0", waves="rest")  # all hosts at once
    other = another(browser, person, page)
    page.locator(".hm-cell.s-running").nth(3).wait_for(timeout=30_000)
    eventually(lambda: step_processes(demo.home), what="a step's process on a host")

    press(page, "cancel")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("hosts are at work: their steps are stopped on the hosts.")
    dialog.get_by_role("button", name="Cancel rollout").click()
    expect(state(page)).to_have_text("⊘ Cancelled")
    assert [line for line in step_processes(demo.home) if "/game-" in line] == []
    # The runner's own watcher may leave a `sleep 1` that ends by itself.
    eventually(lambda: not step_processes(demo.home), 5, "nothing left on the hosts")
    remarks = page.locator(".hm-said:not([hidden])")
    expect(remarks.first).to_contain_text(re.compile("stopped on the host|had already ended on the host"))
    expect(page.locator(".hm-row.s-cancelled")).to_have_count(4)
    expect(page.locator("rollout-verbs button:visible")).to_have_count(0)
    wait_for_the_same(page, other)


def step_processes(home: Path) -> list[str]:
    """The command lines of the processes that steps started on the demo's hosts."""
    found = []
    for pid in marked_processes(home / "fleet"):
        try:
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [line for line in found if "/game-" in line or line.startswith("sleep")]


def test_language_and_theme_switch(browser: Browser, person: BrowserContext) -> None:
    page = person.new_page()
    page.goto("/rollouts/")
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("navigation").get_by_role("link", name="发布")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    page.get_by_role("button", name="EN").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    background = "() => getComputedStyle(document.documentElement).backgroundColor"
    seen = set()
    for theme in ("light", "dark"):
        page.wait_for_load_state()  # what a button does comes with a module
        page.get_by_role("button", name="Theme").click()
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        seen.add(page.evaluate(background))
        page.reload()
        assert page.evaluate(background) in seen
    assert len(seen) == 2
    page.get_by_role("button", name="Theme").click()


def test_every_control_has_a_name_and_no_page_scrolls_sideways_on_a_phone(
    browser: Browser, person: BrowserContext, demo: DemoSite
) -> None:
    host = min(folder.name for folder in (demo.home / "fleet" / "hosts").iterdir())
    rollout = started(person, "1.43.0")
    phone = another(browser, person, rollout, viewport={"width": 390, "height": 844})
    paths = ["/", "/fleet/", f"/fleet/{host}/", "/fleet/import", "/recipes/", "/recipes/update-game-server/"]
    paths += ["/rollouts/", "/rollouts/new/", "/rollouts/new/?recipe=update-game-server", rollout.url]
    paths += ["/rollouts/999/", "/sign-in/"]
    press(rollout, "pause")  # it must not end before it is cancelled
    for path in paths:
        phone.goto(path)
        phone.wait_for_load_state("networkidle" if path != rollout.url else "load")
        assert phone.evaluate("() => document.documentElement.scrollWidth") <= 390, path
        tree = phone.locator("body").aria_snapshot()
        unnamed = re.findall(
            r"^\s*- (?:button|link|textbox|searchbox|combobox|checkbox|tab)(?: \[[^]]*\])*:?$", tree, re.M
        )
        assert unnamed == [], (path, tree)
    press(rollout, "cancel")
    rollout.get_by_role("dialog").get_by_role("button", name="Cancel rollout").click()
    expect(state(rollout)).to_have_text("⊘ Cancelled")


@pytest.mark.long
def test_after_a_power_cut_it_waits_for_a_person_and_retry_ends_it(browser: Browser, tmp_path: Path) -> None:
    with demo_site(tmp_path, *SLOW) as site:
        page = started(signed_in(browser, site), "1.43.0")
        page.locator(".hm-cell.s-running").first.wait_for(timeout=30_000)
    page.context.close()

    with demo_site(tmp_path, *FAST) as site:
        person = signed_in(browser, site)
        page = person.new_page()
        page.goto("/rollouts/")
        page.locator("a[href='/rollouts/1/']").first.click()
        expect(state(page)).to_have_text("● Running")
        expect(page.locator(".hm-row.s-waiting").first).to_be_visible(timeout=30_000)
        expect(page.locator(".rh-advice")).to_contain_text(
            "Retry runs the step again; cancel ends the rollout."
        )
        press(page, "retry")
        page.get_by_role("dialog").get_by_role("button", name="Retry").click()
        expect(state(page)).to_have_text("✓ Succeeded", timeout=ROLLOUT_MS)
        expect(page.locator(".hm-cell[title*='Attempt 2']").first).to_be_visible()
        person.close()
