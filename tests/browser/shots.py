"""Pictures of every page of the running demo: both languages, both themes, two widths. `make shots`.

They are for looking at: what is ugly, misaligned, untranslated or confusing does not fail a test.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.chromium import chromium
from tests.browser.demo_site import DemoSite, demo_site
from tests.waiting import eventually

FOLDER = Path(__file__).parents[2] / ".shots"
WIDTHS = {1440: 900, 390: 844}
THEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
LANGUAGES = {"en": "en-GB", "zh": "zh-CN"}
ROLLOUT_S = 240.0


def paths(hosts: list[str]) -> dict[str, str]:
    """Name of the picture → path of the page."""
    return {
        "overview": "/",
        "fleet": "/fleet/",
        "fleet-import": "/fleet/import",
        "fleet-selector-error": "/fleet/?selector=zone%3D%3Deu",
        "host": f"/fleet/{hosts[0]}/",
        "live": "/live/",
        "recipes": "/recipes/",
        "recipe": "/recipes/update-game-server/",
        "start": "/rollouts/new/?recipe=update-game-server",
        "rollouts": "/rollouts/",
        "rollout": "/rollouts/1/",
        "not-found": "/rollouts/999/",
    }


def views() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each width, theme and language: the end of a picture's name, and the options of a browser context."""
    for (width, height), theme, (language, locale) in product(WIDTHS.items(), THEMES, LANGUAGES.items()):
        viewport = {"width": width, "height": height}
        yield f"{width}-{theme}-{language}", {"viewport": viewport, "color_scheme": theme, "locale": locale}


def take(page: Page, name: str) -> None:
    """One picture into FOLDER."""
    page.screenshot(path=FOLDER / f"{name}.png")


def sign_in(page: Page, site: DemoSite, link: str) -> None:
    """By the one-time link, as a person would."""
    page.goto(f"http://127.0.0.1:{site.port}{link}")
    page.locator("form button[type=submit], form button:not([type])").last.click()


def start_rollout(page: Page) -> None:
    """With the form's defaults; ends on the rollout's page."""
    page.goto("/rollouts/new/?recipe=update-game-server")
    page.locator("[name=version], [name='parameters.version']").first.fill("1.43.0")
    page.locator(".start-go button").click()
    page.wait_for_url("**/rollouts/1/")


def _look(site: DemoSite, only: str) -> None:
    hosts = sorted(folder.name for folder in (site.home / "fleet" / "hosts").iterdir())
    with chromium() as browser:
        base = f"http://127.0.0.1:{site.port}"
        first = browser.new_context(base_url=base, viewport={"width": 1440, "height": 900})
        page = first.new_page()
        page.goto("/")
        take(page, "sign-in")
        sign_in(page, site, site.sign_in_path)
        take(page, "overview-empty")
        start_rollout(page)
        page.locator("[data-wave='2'] .hm-cell.s-running").nth(9).wait_for(timeout=60_000)
        page.locator("[data-wave='2'] .hm-cell[data-step='5'].s-succeeded").nth(2).wait_for(timeout=60_000)
        take(page, "rollout-under-way")
        state = first.storage_state()
        _sign_in_pages(page)
        end = page.context.new_page()
        end.goto("/rollouts/1/")
        end.locator(".rh-result").filter(has_text="2").wait_for(timeout=ROLLOUT_S * 1000)
        for view, options in views():
            context = browser.new_context(base_url=base, storage_state=state, **options)
            page = context.new_page()
            for name, path in paths(hosts).items():
                if only in name:
                    page.goto(path)
                    _settle(page)
                    take(page, f"{name}-{view}")
            if only in "rollout-log" and options["viewport"]["width"] < 980:
                page.goto("/rollouts/1/")
                _settle(page)
                page.get_by_role("tab").last.click()
                take(page, f"rollout-log-{view}")
            for word, spoil in CONNECTIONS.items():
                if only in f"rollout-{word}":
                    _connection(context.new_page(), word, spoil)
                    take(context.pages[-1], f"rollout-{word}-{view}")
            context.close()


def _no_socket(page: Page) -> None:
    """As behind a proxy that cuts every WebSocket at once."""
    page.add_init_script("Math.random = () => 0.05;")  # soon
    page.route_web_socket("**/livefeed/", lambda socket: socket.close())


def _no_server(page: Page) -> None:
    """As without a network, once the page is there."""
    page.add_init_script("Math.random = () => 0.999;")  # a long pause
    page.route_web_socket("**/livefeed/", lambda socket: socket.close())
    page.route(re.compile(r"://[^/]+/livefeed/"), lambda route: route.abort())


def _slow_feed(page: Page) -> None:
    """A subscription that stands, and nothing of what it has to bring."""

    def answer(socket: WebSocketRoute, text: str | bytes) -> None:
        said = json.loads(text)
        if said["t"] == "hello":
            socket.send(json.dumps({"t": "welcome", "dead_s": 70}))
        elif said["t"] == "sub":
            fields = {"epoch": said["epoch"], "first": 1, "head": 1240, "after": 0, "closed": False}
            socket.send(json.dumps({"t": "subok", "id": said["id"], **fields}))

    page.route_web_socket("**/livefeed/", lambda socket: socket.on_message(lambda text: answer(socket, text)))


CONNECTIONS = {"polling": _no_socket, "reconnecting": _no_server, "catching_up": _slow_feed}


def _connection(page: Page, state: str, spoil: Callable[[Page], None]) -> None:
    """The rollout's page in this state of its connection, with what the chip says of it open."""
    spoil(page)
    page.goto("/rollouts/1/")
    chip = page.locator("connection-chip")
    expect(chip).to_have_attribute("data-state", state)
    chip.locator(".cc-text").click()


def _sign_in_pages(page: Page) -> None:
    other = page.context.browser
    assert other is not None
    for view, options in views():
        context = other.new_context(base_url=page.url.split("/rollouts")[0], **options)
        stranger = context.new_page()
        stranger.goto("/")
        take(stranger, f"sign-in-{view}")
        stranger.goto("/sign-in/link/no-such-token/")
        take(stranger, f"sign-in-link-{view}")
        context.close()


def _settle(page: Page) -> None:
    """Until what arrives later has arrived: the preview, the live page's first events."""
    page.wait_for_load_state("networkidle")
    if page.locator("connection-chip").count():
        eventually(
            lambda: page.locator("connection-chip").get_attribute("data-state") == "live", 15, "a live page"
        )


def main() -> None:
    """`python -m tests.browser.shots [part of a name]`: pictures of the pages whose name holds it."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, demo_site(Path(home), "--speed", "5", "--port", "0") as site:
        _look(site, sys.argv[1] if len(sys.argv) > 1 else "")
    sys.stdout.write(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER}\n")


if __name__ == "__main__":
    main()
