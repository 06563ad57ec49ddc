"""A small installation: three hosts, two recipes (one wrong), an operator, a person without the right."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django.fixtures import Settings

from rollcast.fleet.actions import import_hosts

HELLO = """\
name: hello
title: Say hello
description: Greets, then waits.
parameters:
  version: {type: string, required: true, pattern: '[0-9]+\\.[0-9]+', description: Which build}
  players: {type: integer, default: 5}
  loud: {type: boolean, default: false}
defaults: {selector: "zone=eu", waves: "1, rest", parallel: 2, failure_budget: "1"}
steps:
  - name: greet
    run: echo "hello $VERSION"
  - name: pause
    wait: 1s
"""
WRONG = """\
name: wrong
title: Wrong
steps:
  - name: one
    run: echo
    timeot: 3s
"""
HOSTS = """\
name,address,port,user,labels
eu-01,127.0.0.1,2201,game,zone=eu
eu-02,127.0.0.1,2202,game,zone=eu tag=maint
us-01,127.0.0.1,2203,game,zone=us
"""


@pytest.fixture(autouse=True)
def recipes(settings: Settings, tmp_path: Path) -> Path:
    """The recipes folder, and no worker to hint at."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "hello.yml").write_text(HELLO)
    (folder / "wrong.yml").write_text(WRONG)
    settings.ROLLCAST = {**settings.ROLLCAST, "RECIPES": folder, "FILES": tmp_path / "files"}
    return folder


@pytest.fixture
def fleet(db: None) -> None:
    """Three hosts without keys."""
    import_hosts(HOSTS, "hosts.csv", "user:olga")


@pytest.fixture
def operator(db: None) -> User:
    """Somebody who may operate."""
    user = User.objects.create_user("olga", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="operate"))
    return user


@pytest.fixture
def client(operator: User) -> Client:
    """The operator's browser."""
    browser = Client()
    browser.force_login(operator)
    return browser


@pytest.fixture
def powerless(db: None) -> Client:
    """The browser of somebody who is signed in, without the right."""
    browser = Client()
    browser.force_login(User.objects.create_user("paul", password="x", is_staff=True))
    return browser
