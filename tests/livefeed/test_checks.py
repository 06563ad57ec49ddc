"""System checks name what is wrong with a project, and the cure."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as shipped
from django.core.checks import run_checks
from django.db import connection
from django.db.utils import ConnectionHandler
from django.urls import clear_url_caches
from pytest_django import DjangoDbBlocker, Settings

from livefeed import checks, wiring
from livefeed.conf import DEFAULTS
from tests.livefeed import broken

HERE = "tests.livefeed.broken"
SIGNED_COOKIES = "django.contrib.sessions.backends.signed_cookies"
GOOD = {"MAY_READ": f"{HERE}.everybody"}


def livefeed(**changes: Any) -> dict[str, Any]:
    """A project whose LIVEFEED has these."""
    return {"LIVEFEED": GOOD | changes}


def without(part: str) -> dict[str, Any]:
    """A project without this middleware."""
    return {"MIDDLEWARE": [path for path in shipped.MIDDLEWARE if part not in path]}


def asgi(name: str, urls: object = "rollcast.config.urls") -> dict[str, Any]:
    """A project that serves this application."""
    return {"ASGI_APPLICATION": f"{HERE}.{name}", "ROOT_URLCONF": urls}


def complaints() -> list[tuple[str | None, str]]:
    """(id, message and hint) of every complaint of ours."""
    return [(one.id, f"{one.msg} {one.hint}") for one in run_checks() if str(one.id).startswith("livefeed.")]


SOUND: list[dict[str, Any]] = [
    {},
    livefeed(**{name: value for name, value in DEFAULTS.items() if name != "MAY_READ"}),
    livefeed(HEARTBEAT_S=5),  # a whole number is a number
    asgi("whole"),
    asgi("opaque"),  # what cannot be seen is taken to be right
    asgi("under_ops_whole", broken.under_ops),
    asgi("tutorial"),
    asgi("by_token"),
]
BROKEN: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"LIVEFEED": ["MAY_READ"]}, "E004", ["LIVEFEED must be a dict", "LIVEFEED = {"]),
    ({"LIVEFEED": {}}, "W001", ["Nobody may read any feed", 'LIVEFEED["MAY_READ"]']),
    (livefeed(MAY_REED=1), "E001", ["'MAY_REED'", "Did you mean MAY_READ?"]),
    (livefeed(ZEBRA=1), "E001", ["'ZEBRA'", "SAFETY_POLL_S"]),
    (livefeed(MAY_READ="no.such.thing"), "E002", ["'MAY_READ'", "No module named 'no'"]),
    (livefeed(MAY_READ="shop"), "E002", ["'MAY_READ'", "module path"]),
    (livefeed(DOORBELL="no.such.thing"), "E002", ["'DOORBELL'", "No module named 'no'"]),
    (livefeed(MAY_READ=len), "E004", ["the dotted path of a function", "built-in function len"]),
    (livefeed(MAY_READ=f"{HERE}.not_a_rule"), "E005", ["cannot be called", "def may_read(user, feed)"]),
    (livefeed(MAY_READ=f"{HERE}.later"), "E005", ["is a coroutine function", "a plain function"]),
    (livefeed(MAY_READ=f"{HERE}.too_few"), "E005", ["does not take (user, feed)"]),
    (livefeed(DOORBELL=f"{HERE}.everybody"), "E005", ["is no doorbell", "livefeed.doorbells"]),
    (livefeed(HEARTBEAT_S="20"), "E004", ["'HEARTBEAT_S'", "a number above 0, not '20'", "20.0"]),
    (livefeed(HEARTBEAT_S=0), "E004", ["a number above 0, not 0"]),
    (livefeed(HEARTBEAT_S=float("nan")), "E004", ["a number above 0, not nan"]),
    (livefeed(PAGE_THREADS=2.5), "E004", ["a whole number above 0, not 2.5"]),
    (livefeed(PAGE_THREADS=True), "E004", ["a whole number above 0, not True"]),
    (livefeed(WINDOW_MIN_BYTES=10**9), "E004", ["above 'WINDOW_MAX_BYTES' with 262144", "Lower"]),
    (livefeed(DEAD_S=10), "E004", ["'HEARTBEAT_S'", "above 'DEAD_S' with 10"]),
    ({"ROOT_URLCONF": HERE}, "W004", ["livefeed.urls is not included", 'include("livefeed.urls")']),
    (without("SessionMiddleware"), "W005", ["Nobody's session", 'Add "django.contrib.sessions.middleware.S']),
    (without("AuthenticationM"), "W005", ["Nobody is signed in", 'Add "django.contrib.auth.middleware.Auth']),
    ({"SESSION_ENGINE": SIGNED_COOKIES}, "W009", ["whoever signs out", 'SESSION_ENGINE to "django.contrib.']),
    ({"ASGI_APPLICATION": None}, "W006", ["ASGI_APPLICATION is not set", "mysite.asgi.application"]),
    (asgi("no_such"), "E006", ["ASGI_APPLICATION cannot be imported", "no_such"]),
    (asgi("old"), "W007", ["is a WSGI application", "ProtocolTypeRouter"]),
    (asgi("pages"), "W007", ["is Django's own", "livefeed.routing"]),
    (asgi("http_only"), "W007", ['has nothing for "websocket"']),
    (asgi("no_route"), "W007", ["no route to livefeed at 'livefeed/'"]),
    (asgi("nobody_known"), "W010", ["who they are", "4501", "session_user_stack"]),
    (asgi("any_site"), "W011", ["pages that are not yours", "AllowedHostsOriginValidator(…)"]),
    (asgi("whole", broken.under_ops), "W007", ["no route to livefeed at 'ops/livefeed/'", "same prefix"]),
]


@pytest.mark.parametrize("project", SOUND)
def test_a_sound_project_hears_nothing(settings: Settings, project: dict[str, Any]) -> None:
    change(settings, project)
    assert complaints() == []


@pytest.mark.parametrize(("project", "number", "said"), BROKEN)
def test_each_mistake_is_named_with_its_cure(
    settings: Settings, project: dict[str, Any], number: str, said: list[str]
) -> None:
    change(settings, project)
    [(_, text)] = [found for found in complaints() if found[0] == f"livefeed.{number}"]
    assert [each for each in said if each not in text] == []


def change(settings: Settings, project: dict[str, Any]) -> None:
    for name, value in project.items():
        setattr(settings, name, value)
    clear_url_caches()


@pytest.mark.parametrize(
    ("command", "app", "found"),
    [
        ("runserver", "django.contrib.staticfiles", ["livefeed.W008"]),
        ("runserver", "servestatic", ["livefeed.W008"]),
        ("runserver", "daphne", []),
        ("migrate", "django.contrib.staticfiles", []),
    ],
)
def test_a_runserver_without_sockets_is_named(
    monkeypatch: pytest.MonkeyPatch, command: str, app: str, found: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["manage.py", command])
    monkeypatch.setattr(wiring, "get_commands", lambda: {"runserver": app})
    assert [code for code, _ in complaints()] == found


def test_the_sqlite_doorbell_wants_sqlite(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LIVEFEED = GOOD | {"DOORBELL": "livefeed.doorbells.sqlite.SqliteDoorbell"}
    assert checks.settings_are_sound() == []
    monkeypatch.setattr(connection, "vendor", "postgresql")
    assert [message.id for message in checks.settings_are_sound()] == ["livefeed.E003"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, ["livefeed.W003", "livefeed.W002"]),
        ({"transaction_mode": "DEFERRED"}, ["livefeed.W003", "livefeed.W002"]),
        ({"init_command": "PRAGMA journal_mode=WAL"}, ["livefeed.W003"]),
        ({"transaction_mode": "immediate", "init_command": "PRAGMA journal_mode=WAL"}, []),
    ],
)
def test_how_sqlite_is_to_be_used(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    django_db_blocker: DjangoDbBlocker,
    options: dict[str, str],
    found: list[str],
) -> None:
    database = copy.deepcopy(shipped.DATABASES["default"]) | {
        "NAME": tmp_path / "small.sqlite3",
        "OPTIONS": options,
    }
    small = ConnectionHandler({"default": database})["default"]
    monkeypatch.setattr(checks, "connection", small)
    with django_db_blocker.unblock():
        said = [*checks.sqlite_begins_immediate(), *checks.sqlite_has_wal(databases=["default"])]
        assert [message.id for message in said] == found
        assert all(message.hint for message in said)
        assert checks.sqlite_has_wal() == []
        small.close()
