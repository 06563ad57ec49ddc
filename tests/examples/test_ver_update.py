"""The example in a real browser: a cut costs the classic page lines, and the livefeed page none."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, WebSocket, expect

from tests.browser.chromium import chromium
from tests.redis_server import running_redis
from tests.waiting import eventually

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
FEED = "/livefeed/"
TOTAL = 10
RESULTS = [f"结果 {number}/{TOTAL}: server-{number:02} is up to date" for number in range(1, TOTAL + 1)]
START_S = 60.0
# Looked at by the page itself, so that no busy machine can miss a moment.
BOTH_HAVE_TWO = """() => ["classic", "live"].every(
    (way) => document.querySelectorAll(`#${way} li`).length >= 2)"""
NOTE_STATES = """() => {
    const state = document.querySelector("#live .state");
    window.states = [];
    new MutationObserver(() => window.states.push(state.textContent)).observe(state, { childList: true });
}"""
WAS_AWAY_AND_IS_LIVE = """() =>
    window.states.includes("reconnecting · 重连中") && window.states.at(-1) === "live · 实时"
"""
# Ask for the cut, and at once for a page.
CUT_AND_ASK = """async () => {
    const headers = { "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value };
    const cut = await fetch("/cut/", { method: "POST", headers });
    const page = await fetch("/", { cache: "no-store" }).then(({ status }) => status, () => "refused");
    return [cut.status, page];
}"""
# A whole update, an outage and the way back from it, on a busy machine.
UPDATE_MS = 60_000


@contextmanager
def example(home: Path, **environment: str) -> Iterator[str]:
    """The address of the example as `make example` runs it, on a free port and a database in `home`."""
    home.mkdir(exist_ok=True)
    said = home / "said"
    with said.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "ver_update", "--port", "0"],
            cwd=ROOT / "examples",
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "ver_update.settings",
                "VER_UPDATE_DATABASE": str(home / "example.sqlite3"),
                "VER_UPDATE_PAUSE_S": "0.6",
                **environment,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(
            lambda: "http://" in said.read_text() or process.poll() is not None, START_S, "the address"
        )
        found = re.search(r"http://127\.0\.0\.1:\d+", said.read_text())
        assert found, said.read_text()
        yield found[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(START_S)
    assert process.returncode == 0, said.read_text()
    assert "Traceback" not in said.read_text(), said.read_text()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The example by itself, its layer in memory."""
    with example(tmp_path) as one:
        yield one


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium(shell=True) as started:
        yield started


def visit(browser: Browser, address: str) -> Page:
    """The page in a browser of its own: other cookies, another guest."""
    page = browser.new_context(base_url=address).new_page()
    page.goto("/")
    return page


def lines(page: Page, way: str) -> list[str]:
    """What a column shows."""
    return page.locator(f"#{way} li").all_inner_texts()


class Ways:
    """The ways by which livefeed goes on this page: its sockets, and its requests over plain HTTP."""

    def __init__(self, page: Page) -> None:
        self._sockets: list[WebSocket] = []
        self._requests: list[Request] = []
        page.on("websocket", self._note_socket)
        page.on("request", self._note_request)

    def _note_socket(self, socket: WebSocket) -> None:
        if socket.url.endswith(FEED):
            self._sockets.append(socket)

    def _note_request(self, request: Request) -> None:
        if f"{FEED}?" in request.url:
            self._requests.append(request)

    def lead_over_a_socket_again(self) -> None:
        """It is on another socket than those that were cut, and never took another way."""
        *cut, last = self._sockets
        assert cut
        assert all(one.is_closed() for one in cut)
        assert not last.is_closed()
        assert self._requests == []


def test_a_cut_loses_lines_on_the_classic_page_and_none_on_the_livefeed_page(
    address: str, browser: Browser
) -> None:
    page = visit(browser, address)
    ways = Ways(page)
    page.evaluate(NOTE_STATES)
    page.get_by_role("button", name="Start both").click()
    page.wait_for_function(BOTH_HAVE_TWO, timeout=UPDATE_MS)
    page.get_by_role("button", name="Cut the network").click()
    expect(page.locator("#classic .path")).to_contain_text(
        re.compile(r"guest-\w+ · /ws/ver_update/ · visit 1")
    )
    expect(page.locator("#classic .state")).to_contain_text("closed, code 1006")
    expect(page.locator("#chat .state")).to_contain_text("closed")
    expect(page.locator("#live .verdict")).to_contain_text("All 10 lines arrived", timeout=UPDATE_MS)

    arrived = lines(page, "classic")
    assert arrived == RESULTS[: len(arrived)]
    lost = TOTAL - len(arrived)
    assert lost >= 1
    expect(page.locator("#classic .verdict")).to_contain_text(f"{lost} of 10 lines never arrived")
    assert lines(page, "live") == RESULTS
    page.wait_for_function(WAS_AWAY_AND_IS_LIVE, timeout=UPDATE_MS)
    ways.lead_over_a_socket_again()

    page.evaluate("states = []")
    page.get_by_role("button", name="Cut the network").click()
    page.wait_for_function(WAS_AWAY_AND_IS_LIVE, timeout=UPDATE_MS)
    ways.lead_over_a_socket_again()
    assert lines(page, "live") == RESULTS

    page.reload()
    assert lines(page, "classic") == []
    assert lines(page, "live") == RESULTS
    expect(page.locator("#live .verdict")).to_contain_text("All 10 lines arrived")
    expect(page.locator("#live li")).to_have_count(TOTAL)
    told = page.evaluate("async () => (await (await fetch(document.querySelector('.history').href)).json())")
    kept = [item for group in told["g"] if group[1] == "line" for item in group[5]]
    assert kept == RESULTS


def test_while_the_network_is_cut_no_page_gets_through_either(address: str, browser: Browser) -> None:
    page = visit(browser, address)
    assert page.evaluate(CUT_AND_ASK) == [200, "refused"]
    for room in ("chat", "group"):
        expect(page.locator(f"#{room} .state")).to_contain_text("closed")


def test_without_a_cut_both_ways_bring_every_line_and_block_nobody(address: str, browser: Browser) -> None:
    page = visit(browser, address)
    page.get_by_role("button", name="Start both").click()
    expect(page.locator("#classic .state")).to_contain_text("open")
    say(page, "chat", "meanwhile")
    expect(page.locator("#chat li")).to_have_count(1)
    assert len(lines(page, "classic")) < TOTAL
    for way in ("classic", "live"):
        expect(page.locator(f"#{way} .verdict")).to_contain_text("All 10 lines arrived", timeout=UPDATE_MS)
        assert lines(page, way) == RESULTS
    expect(page.locator("#classic .state")).to_contain_text("closed, code 1000")


def test_the_server_answers_one_browser_and_the_group_hears_the_other(address: str, browser: Browser) -> None:
    pages = [visit(browser, address) for _ in range(2)]
    for page in pages:
        for room in ("chat", "group"):
            expect(page.locator(f"#{room} .state")).to_contain_text("open")
    say(pages[0], "chat", "版本?")
    expect(pages[0].locator("#chat li")).to_have_text(
        [re.compile(r"^结果: 版本\?guest-\w+ · /ws/chat/ · visit 1$")]
    )
    say(pages[0], "group", "from the one")
    say(pages[1], "group", "from the other")
    for page in pages:
        expect(page.locator("#group li")).to_have_count(2)
        expect(page.locator("#group")).to_contain_text("from the one")
        expect(page.locator("#group")).to_contain_text("from the other")
    expect(pages[1].locator("#chat li")).to_have_count(0)


def test_with_redis_a_group_spans_two_processes(tmp_path: Path, browser: Browser) -> None:
    with (
        running_redis(tmp_path) as redis_url,
        example(tmp_path / "one", REDIS_URL=redis_url) as one,
        example(tmp_path / "two", REDIS_URL=redis_url) as two,
    ):
        pages = [visit(browser, address) for address in (one, two)]
        for page in pages:
            expect(page.locator("#group .state")).to_contain_text("open")
        for page, text in zip(pages, ("from the one", "from the other"), strict=True):
            say(page, "group", text)
        for page in pages:
            expect(page.locator("#group li")).to_have_count(2)
            expect(page.locator("#group")).to_contain_text("from the one")
            expect(page.locator("#group")).to_contain_text("from the other")


def say(page: Page, room: str, text: str) -> None:
    page.locator(f"#{room} input").fill(text)
    page.locator(f"#{room}").get_by_role("button", name="Send").click()
