"""Pictures of a rollout's page while something is wrong, in every width, theme and language: `make shots`.

They are for looking at, so this file is run by its name only. Each page must say what is wrong, since when,
and what happens next.
"""

from __future__ import annotations

from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import chromium
from tests.browser.shots import FOLDER, take, views
from tests.promises.conftest import Site, opened
from tests.promises.installation import Installation
from tests.promises.test_cancel import until_unconfirmed
from tests.promises.test_contact_lost import until_lost
from tests.promises.test_database import SETTINGS, fill, status
from tests.promises.test_worker_killed import counting, until_lines
from tests.remote.hosts import Host
from tests.waiting import eventually
from tests.worker.test_over_ssh import ThreadedProxy


@pytest.fixture(autouse=True)
def leave(debian: Host) -> Iterator[None]:
    """Let the steps on the host end."""
    yield
    (debian.home / "gate").touch()


def look(shop: Installation, rollout: int, name: str, open_dialog: str = "") -> None:
    """The rollout's page as it is now; with the dialog of a verb open."""
    FOLDER.mkdir(exist_ok=True)
    with chromium() as browser:
        for view, options in views():
            page = _page(browser, shop, rollout, options)
            if open_dialog:
                page.locator(f"[data-verb={open_dialog}]:visible").first.click()
                page.get_by_role("dialog").wait_for()
            take(page, f"trouble-{name}-{view}")
            page.context.close()


def _page(browser: Browser, shop: Installation, rollout: int, options: dict[str, Any]) -> Page:
    context = browser.new_context(base_url=shop.browser.url, **options)
    for cookie in SimpleCookie(shop.browser.cookie_header()).values():
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": shop.browser.url}])
    page = context.new_page()
    page.goto(f"/rollouts/{rollout}/")
    expect(page.locator("connection-chip")).to_have_attribute("data-state", "live")
    page.wait_for_load_state("networkidle")
    return page


def test_lost(installation: Installation, debian: Host, proxy: ThreadedProxy) -> None:
    site = opened(installation, debian, apart=False, port=str(proxy.port))
    rollout = installation.start(counting("gate"))
    until_lines(site, rollout, 30)
    proxy.cut(for_good=True)
    until_lost(site, rollout)
    look(installation, rollout, "lost")
    proxy.mend()
    installation.until(rollout, lambda page: page["targets"][0]["state"] == "running")
    look(installation, rollout, "found-again")
    installation.close()


def test_takeover(installation: Installation, debian: Host) -> None:
    installation.settings(LEASE_TRUST_S=60.0)
    site = opened(installation, debian, apart=True)
    rollout = installation.start(
        "- name: speaks\n  run: until [ -e $HOME/gate ]; do echo 第一行; sleep 1; done\n"
    )
    until_lines(site, rollout, 3)
    holder = site.holder()
    installation.freeze(holder)
    eventually(lambda: status(installation) == "worker_silent", 60)
    look(installation, rollout, "worker-silent")
    holder.kill()
    eventually(lambda: site.holder() is not holder, 60)
    until_lines(site, rollout, 6)
    look(installation, rollout, "takeover")
    site.holder().kill()
    for worker in site.workers:
        worker.kill()
    eventually(lambda: status(installation) == "no_worker", 90)
    look(installation, rollout, "no-worker")


def test_unconfirmed(powerless: Site) -> None:
    rollout, _ = until_unconfirmed(powerless)
    look(powerless.installation, rollout, "unconfirmed")
    look(powerless.installation, rollout, "accept", open_dialog="accept")


def test_disk_full(small_disk: Installation, debian: Host) -> None:
    small_disk.settings(**SETTINGS)
    site = opened(small_disk, debian, apart=False)
    rollout = small_disk.start(counting("gate"))
    until_lines(site, rollout, 30)
    fill(small_disk.home.parent / "filler")
    eventually(lambda: status(small_disk) == "disk_full", 30)
    look(small_disk, rollout, "disk-full")
