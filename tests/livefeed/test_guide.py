"""docs/livefeed.md, followed by copying: a view's progress outlives its browser, its server and a cut."""

from __future__ import annotations

import ast
import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

import livefeed
from livefeed import Chunk, checks, wiring
from tests.browser.chromium import chromium
from tests.chaos import ChaosProxy
from tests.livefeed.guide import CHINESE, GUIDE, Block, Reader, blocks

HELD_WORK = Path(__file__).with_name("held_work")
WALK = "From nothing to a live page"
WAIT_MS = 30_000.0
TOTAL = 20
LINES = [f"Chapter {number} is written." for number in range(1, TOTAL + 1)]


class Work:
    """The view's work takes a step whenever it is let."""

    def __init__(self, fifo: Path) -> None:
        os.mkfifo(fifo)
        self._fifo = os.open(fifo, os.O_RDWR)

    def go_on(self, steps: int) -> None:
        os.write(self._fifo, b"." * steps)

    def close(self) -> None:
        os.close(self._fifo)


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium(shell=True) as one:
        yield one


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    one = Work(tmp_path / "steps")
    yield one
    one.close()


def shows(page: Page, lines: list[str], state: str) -> None:
    """These lines, each once and in order, and how it stands, in words."""
    expect(page.locator("live-feed .live-feed-line")).to_have_text(lines, timeout=WAIT_MS)
    expect(page.locator("live-feed .live-feed-state")).to_have_text(state, timeout=WAIT_MS)
    expect(page.locator("live-feed progress")).to_have_js_property("value", len(lines))


def open_page(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(address)
    return page


def sign_in(context: BrowserContext, address: str) -> Page:
    page = open_page(context, address)
    page.locator("[name=username]").fill("olga")
    page.locator("[name=password]").fill("every-line-once")
    with page.expect_navigation(url=address):
        page.locator("[type=submit]").click()
    return page


@pytest.mark.browser
def test_the_walk(tmp_path: Path, browser: Browser, work: Work) -> None:
    install, *steps, serve = blocks(GUIDE, WALK)
    assert "pip install" in install.text  # what it brings is what this test runs in
    reader = Reader(tmp_path, {"PYTHONPATH": str(HELD_WORK), "HELD_WORK": str(tmp_path / "steps")})
    for block in steps:
        reader.copy(block)
    command = serve.text.strip()

    with ChaosProxy(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.port}/report/7/"
        with reader.serving(command) as port:
            proxy.retarget(port)
            context = browser.new_context()
            page = sign_in(context, address)
            expect(page.locator("live-feed .live-feed-state")).to_have_text(
                "Nothing here yet", timeout=WAIT_MS
            )
            page.get_by_role("button", name="Write the report").click()
            work.go_on(5)
            shows(page, LINES[:5], "Live")

            cookies = context.storage_state()
            context.close()  # nobody looks
            work.go_on(3)
            page = open_page(browser.new_context(storage_state=cookies), address)
            shows(page, LINES[:8], "Live")

            assert proxy.cut_all() >= 1
            work.go_on(4)
            shows(page, LINES[:12], "Live")

        expect(page.locator("live-feed .live-feed-state")).to_have_text(
            "No connection. Trying again", timeout=WAIT_MS
        )
        with reader.serving(command) as port:
            proxy.retarget(port)
            shows(page, LINES[:12], "Live")  # it came back by itself
            page.get_by_role("button", name="Write the report").click()
            work.go_on(TOTAL - 12)
            shows(page, LINES, "Complete")
            page.goto(f"http://127.0.0.1:{proxy.port}/admin/livefeed/feed/")
            page.get_by_role("link", name="report/7").click()
            expect(page.locator("#content-main tbody tr")).to_have_count(2 * TOTAL, timeout=WAIT_MS)
            expect(page.locator("live-feed .live-feed-state")).to_have_text("Complete", timeout=WAIT_MS)

        [look] = blocks(GUIDE, "Look into it from elsewhere")
        said = reader.copy(look)
        assert [line.split("  ")[2] for line in said if "  report  Chapter" in line] == LINES

        for block in blocks(GUIDE, "Draw it yourself"):
            reader.copy(block)
        with reader.serving(command) as port:
            proxy.retarget(port)
            page.goto(address)
            expect(page.locator("#lines li")).to_have_text(LINES, timeout=WAIT_MS)
            expect(page.locator("#state")).to_have_text("complete", timeout=WAIT_MS)


def test_both_languages_show_the_same_code_in_the_same_places() -> None:
    def code(page: Path) -> list[tuple[list[str], str, str]]:
        return [(re.findall(r"`[^`]+`", one.before), one.language, one.text) for one in blocks(page)]

    assert code(GUIDE) == code(CHINESE)
    parts = [re.findall(r"^#+ ", page.read_text("utf-8"), re.MULTILINE) for page in (GUIDE, CHINESE)]
    assert parts[0] == parts[1]


@pytest.mark.parametrize("block", [one for one in blocks(GUIDE) if one.language == "python"])
def test_what_it_calls_exists(block: Block) -> None:
    tree = ast.parse(block.text)
    called = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and named(node.value, "livefeed")
    }
    assert called <= set(livefeed.__all__)


def named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


@pytest.mark.django_db(transaction=True)
async def test_the_work_of_an_asynchronous_view_goes_on_at_its_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_seconds: float) -> None:
        """No pause."""

    [block] = [one for one in blocks(GUIDE) if "create_task" in one.text]
    code: dict[str, Any] = {}
    exec(block.text, code)
    monkeypatch.setattr(asyncio, "sleep", at_once)
    await livefeed.aappend("f", [Chunk("report", "line", LINES[:3], "writer", before=0, after=3)])
    code["start"]("f")
    await asyncio.gather(*code["tasks"])
    page = await livefeed.aread("f")
    assert [line for group in page.groups for line in group[5]] == LINES
    assert page.closed


def test_it_lists_every_system_check() -> None:
    source = "".join(Path(module.__file__ or "").read_text("utf-8") for module in (checks, wiring))
    given = set(re.findall(r'id="(livefeed\.[EW]\d+)"', source))
    for page in (GUIDE, CHINESE):
        assert (
            set(re.findall(r"^\| `(livefeed\.[EW]\d+)` \|", page.read_text("utf-8"), re.MULTILINE)) == given
        )
