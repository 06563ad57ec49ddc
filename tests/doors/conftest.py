"""One small installation and three ways into it: the page, the API and the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django.fixtures import Settings

from rollcast.fleet.actions import import_hosts
from tests.console.conftest import HELLO, HOSTS, WRONG
from tests.doors.doors import ApiDoor, CliDoor, Door, PageDoor


@pytest.fixture
def recipes(settings: Settings, tmp_path: Path) -> Path:
    """The recipes folder: one right, one wrong."""
    folder = tmp_path / "recipes"
    folder.mkdir(exist_ok=True)
    (folder / "hello.yml").write_text(HELLO, "utf-8")
    (folder / "wrong.yml").write_text(WRONG, "utf-8")
    settings.ROLLCAST = {**settings.ROLLCAST, "HOME": tmp_path, "RECIPES": folder}
    return folder


@pytest.fixture
def fleet(transactional_db: None) -> None:
    """Three hosts without keys."""
    import_hosts(HOSTS, "hosts.csv", "user:olga")


@pytest.fixture
def operator(transactional_db: None) -> User:
    """Somebody who may operate."""
    user = User.objects.create_user("olga", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="operate"))
    return user


@pytest.fixture
def browser(operator: User) -> Client:
    """The operator's browser."""
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture(params=["page", "api", "cli"])
def door(
    request: pytest.FixtureRequest,
    browser: Client,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Door:
    """Each door in turn."""
    if request.param == "page":
        return PageDoor(browser)
    if request.param == "api":
        return ApiDoor(browser)
    monkeypatch.setattr("rollcast.config.boot.configure", lambda home, **_: None)
    return CliDoor(tmp_path, capsys)
