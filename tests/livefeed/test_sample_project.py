"""A shop without Rollcast: its import's progress survives a reload and cuts, however the import is run."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import chromium
from tests.chaos import ChaosProxy, Cut
from tests.foreign import ForeignProject
from tests.waiting import eventually

pytestmark = pytest.mark.browser

PROJECT = Path(__file__).with_name("sample_project")
PASSWORD = "long and secret"
OLGA = f"""
from django.contrib.auth.models import User

User.objects.create_user("olga", password={PASSWORD!r})
"""
SKUS = [f"sku-{n:03}" for n in range(60)]
WAIT_S = 20.0


@pytest.fixture
def supplier() -> Iterator[socket.socket]:
    """Where the shop asks for the list; the test sends it row by row."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WAIT_S)
        yield listener


@pytest.fixture
def proxy(request: pytest.FixtureRequest, tmp_path: Path, supplier: socket.socket) -> Iterator[ChaosProxy]:
    """The shop, behind a proxy that cuts."""
    shop = ForeignProject(PROJECT, "shop", tmp_path, barred=["rollcast"])
    shop.environment["SUPPLIER_PORT"] = str(supplier.getsockname()[1])
    shop.manage("check", "--fail-level", "WARNING", "--database", "default")
    shop.manage("migrate", "--verbosity", "0")
    shop.manage("shell", "--verbosity", "0", "--command", OLGA)
    with shop.serving(request.param) as url, ChaosProxy(("127.0.0.1", int(url.rpartition(":")[2]))) as proxy:
        yield proxy
    said = "from shop.models import Product; print(Product.objects.count())"
    assert shop.manage("shell", "--verbosity", "0", "--command", said).strip() == str(len(SKUS))


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium(shell=True) as one:
        yield one


@pytest.fixture
def page(browser: Browser, proxy: ChaosProxy) -> Page:
    """Olga's browser, signed in."""
    page = browser.new_context(base_url=f"http://127.0.0.1:{proxy.port}").new_page()
    page.set_default_timeout(WAIT_S * 1000)
    page.goto("/")
    page.locator("[name=username]").fill("olga")
    page.locator("[name=password]").fill(PASSWORD)
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in").click()
    return page


def shows(page: Page, skus: list[str]) -> None:
    """The page has these rows, each once and in order, and its bar says so."""
    expect(page.locator("li")).to_have_text(skus, timeout=WAIT_S * 1000)
    assert page.locator("progress").evaluate("(bar) => [bar.value, bar.max]") == [len(skus), len(SKUS)]


@pytest.mark.parametrize(
    ("proxy", "how"),
    [
        ("uvicorn", "within the request"),
        ("daphne", "as a task"),
        pytest.param("uvicorn", "as a task", marks=pytest.mark.long),
        pytest.param("daphne", "within the request", marks=pytest.mark.long),
    ],
    indirect=["proxy"],
)
def test_progress_survives_a_reload_and_cuts(
    page: Page, proxy: ChaosProxy, supplier: socket.socket, how: str
) -> None:
    page.get_by_role("button", name=how).click()
    line, _ = supplier.accept()

    def send(skus: list[str]) -> None:
        line.sendall("".join(f"{sku} 9.90\n" for sku in skus).encode())

    with line:
        line.sendall(f"{len(SKUS)}\n".encode())
        send(SKUS[:20])
        shows(page, SKUS[:20])

        assert proxy.cut_all() >= 1  # the socket, and the request if that does the work
        send(SKUS[20:30])
        shows(page, SKUS[:30])

        page.reload()
        shows(page, SKUS[:30])
        # Each new socket ends within a message, so the rows come in over several of them. None ends with its
        # greeting, which would have the page ask whether only HTTP gets through.
        proxy.plan([Cut(frames=frames, size=5) for frames in (2, 3, 2, 3, 3)])
        proxy.cut_all()
        for n in range(30, 50):
            send(SKUS[n : n + 1])
        shows(page, SKUS[:50])
        eventually(lambda: proxy.cuts == 5, WAIT_S, "all planned cuts")

        page.close()  # nobody looks, and the work goes on
        send(SKUS[50:])
    again = page.context.new_page()
    again.goto("/imports/1/")
    shows(again, SKUS)
    expect(again.locator("output")).to_have_text("All 60 are there.")
    expect(again.locator("main")).to_have_attribute("data-connection", "live")
