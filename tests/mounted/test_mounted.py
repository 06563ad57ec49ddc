"""Rollcast in somebody else's project: their people, their sign-in, their frame, under `/ops/`.

The project beside this file is what docs/mounting.md says. It runs as processes of its own, in which what
makes up `rollcast up` cannot be imported.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import chromium
from tests.demo.fleets import running_fleet
from tests.foreign import ForeignProject
from tests.mounted.office import BARRED, HERE, PASSWORD, office_in, open_office

EVERYTHING = """
import importlib, json, pkgutil, sys
import backoffice.asgi
from django.apps import apps
from django.urls import get_resolver

get_resolver().url_patterns
for app in apps.get_app_configs():
    if app.name.split(".")[0] in ("rollcast", "livefeed"):
        for module in pkgutil.walk_packages(app.module.__path__, app.name + "."):
            importlib.import_module(module.name)
print(json.dumps(sorted(name for name in sys.modules if name.split(".")[0] == "rollcast")))
"""
SOCKET = """(feed) => new Promise((resolve) => {
  const socket = new WebSocket(`ws://${location.host}/ops/livefeed/`, "livefeed.v1");
  const said = [];
  socket.onopen = () => {
    socket.send(JSON.stringify({ t: "hello", client: "test" }));
    socket.send(JSON.stringify({ t: "sub", id: 1, feed, epoch: null, after: 0 }));
  };
  socket.onmessage = (message) => said.push(JSON.parse(message.data).t);
  socket.onclose = (event) => resolve({ code: event.code, said });
})"""


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> ForeignProject:
    """Set up once; tests copy it."""
    return open_office(tmp_path_factory.mktemp("office"))


@pytest.fixture
def office(first: ForeignProject, tmp_path: Path) -> ForeignProject:
    shutil.copytree(first.home, tmp_path / "office")
    return office_in(tmp_path / "office")


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium(shell=True) as one:
        yield one


def enter(browser: Browser, url: str, who: str, wanted: str, locale: str = "en-GB") -> Page:
    """A person's browser that asked for a page and was sent to the back office's own sign-in first."""
    page = browser.new_context(base_url=url, locale=locale).new_page()
    page.set_default_timeout(20_000)
    page.goto(wanted)
    assert page.url == f"{url}/staff/enter/?next={wanted}"
    page.locator("[name=username]").fill(f"{who}@office.test")
    page.locator("[name=password]").fill(PASSWORD)
    with page.expect_navigation():
        page.get_by_role("button", name="Enter").click()
    assert page.url == f"{url}{wanted}"
    return page


def test_the_project_is_sound_and_needs_nothing_of_the_project_that_rollcast_ships(
    office: ForeignProject,
) -> None:
    office.manage("check", "--fail-level", "WARNING", "--database", "default")
    office.manage("makemigrations", "--check", "--dry-run")
    loaded = json.loads(office.manage("shell", "--verbosity", "0", "--command", EVERYTHING).splitlines()[-1])
    assert {"rollcast.console.pages.start", "rollcast.worker.run"} < set(loaded)
    made_of = [name for name in loaded if name.startswith(BARRED)]
    assert made_of == sorted(BARRED), "the bars themselves, and nothing behind them"


@pytest.mark.browser
def test_their_operator_rolls_out_under_their_prefix(
    office: ForeignProject, browser: Browser, tmp_path: Path
) -> None:
    worker = office.running("manage", "rollcast_worker")
    with running_fleet(tmp_path / "fleet", hosts=3) as fleet, office.serving() as url, worker:
        page = enter(browser, url, "olga", "/ops/", locale="zh-CN")
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("response", lambda answer: faults.append(answer.url) if answer.status >= 400 else None)
        expect(page.get_by_role("link", name="Back office")).to_be_visible()

        page.goto("/ops/fleet/import")
        page.locator("[name=kind]").select_option("yaml")
        page.locator("[name=text]").fill(json.dumps({"hosts": fleet.rows}))
        page.get_by_role("button", name="导入").click()
        for row in fleet.rows:
            expect(page.get_by_role("link", name=row["name"], exact=True)).to_be_visible()

        page.goto("/ops/rollouts/new/?recipe=greet")
        page.get_by_label("word").fill("welcome")
        expect(page.locator("#preview")).to_contain_text(fleet.rows[0]["name"])
        page.get_by_role("button", name="启动", exact=True).click()
        page.wait_for_url(re.compile(r"/ops/rollouts/\d+/$"))
        for verb in ("pause", "resume"):
            page.locator(f"rollout-verbs [data-verb={verb}]").click()
        for row in fleet.rows:
            (fleet.home(row["name"]) / "go").touch()
        expect(page.locator("#rollout-announcer")).to_contain_text("成功：3 台主机中 3 台成功")
        applied = page.evaluate("() => document.querySelector('log-pane').store.applied()")
        assert sorted(entry["count"] for entry in applied.values()) == [1, 1, 1, 100, 100, 100]
        assert faults == []


@pytest.mark.browser
def test_whoever_has_no_right_is_refused_at_every_door(office: ForeignProject, browser: Browser) -> None:
    with office.serving() as url:
        page = enter(browser, url, "paul", "/ops/")
        expect(page.get_by_role("heading", name="The back office says no.")).to_be_visible()
        assert page.request.get("/ops/").status == 403
        for path in ("/ops/api/hosts", "/ops/livefeed/history?feed=rollout/1"):
            refused = page.request.get(path)
            assert (refused.status, refused.json()["error"]) == (403, "forbidden")
        closed = page.evaluate(SOCKET, "rollout/1")
        assert closed == {"code": 4503, "said": ["welcome", "err"]}

        stranger = browser.new_context(base_url=url).new_page()
        stranger.goto("/staff/enter/")
        assert stranger.evaluate(SOCKET, "rollout/1")["code"] == 4501
        assert stranger.request.get("/ops/api/hosts").status == 401


@pytest.mark.browser
def test_their_admin_shows_what_rollcast_keeps(office: ForeignProject, browser: Browser) -> None:
    with office.serving() as url:
        page = enter(browser, url, "boss", "/")
        for model in ("rollcast_fleet/host", "rollcast_rollouts/rollout", "rollcast_access/auditentry"):
            answer = page.goto(f"/boss/{model}/")
            assert answer is not None
            assert answer.status == 200


def test_the_guide_says_what_this_project_does() -> None:
    guide = (HERE.parents[1] / "docs" / "mounting.md").read_text("utf-8")
    blocks = re.findall(r"^```(?:python|html)\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    ours = "\n".join(
        path.read_text("utf-8")
        for path in sorted((HERE / "backoffice").rglob("*.*"))
        if path.suffix in {".py", ".html"}
    )
    missing = [
        line
        for block in blocks
        for line in block.splitlines()
        if line.strip() and line.strip() not in {"…", "# …"} and line.strip() not in ours
    ]
    assert blocks
    assert missing == []
