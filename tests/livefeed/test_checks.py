"""System checks name what is wrong with the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker, Settings

from livefeed import checks

GOOD = {"MAY_READ": "tests.livefeed.serving.may_read"}


@pytest.mark.parametrize(
    ("livefeed", "found"),
    [
        (GOOD, []),
        ({}, ["livefeed.W001"]),
        (GOOD | {"MAY_REED": 1}, ["livefeed.E001"]),
        ({"MAY_READ": "no.such.thing"}, ["livefeed.E002"]),
        (GOOD | {"DOORBELL": "no.such.thing"}, ["livefeed.E002"]),
    ],
)
def test_settings_that_would_not_work_are_named(
    settings: Settings, livefeed: dict[str, Any], found: list[str]
) -> None:
    settings.LIVEFEED = livefeed
    assert [message.id for message in checks.settings_are_sound()] == found


def test_the_sqlite_doorbell_wants_sqlite(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LIVEFEED = GOOD | {"DOORBELL": "livefeed.doorbells.sqlite.SqliteDoorbell"}
    assert checks.settings_are_sound() == []
    monkeypatch.setattr(connection, "vendor", "postgresql")
    assert [message.id for message in checks.settings_are_sound()] == ["livefeed.E003"]


@pytest.mark.parametrize(("command", "found"), [("", ["livefeed.W002"]), ("PRAGMA journal_mode=WAL", [])])
def test_sqlite_without_wal_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    django_db_blocker: DjangoDbBlocker,
    command: str,
    found: list[str],
) -> None:
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": tmp_path / "small.sqlite3",
        "OPTIONS": {"init_command": command},
    }
    small = ConnectionHandler({"default": database})["default"]
    monkeypatch.setattr(checks, "connection", small)
    with django_db_blocker.unblock():
        assert [message.id for message in checks.sqlite_has_wal(databases=["default"])] == found
        assert checks.sqlite_has_wal() == []
        small.close()
