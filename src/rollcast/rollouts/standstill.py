"""Why nothing goes on although rollouts are under way: no worker, a silent one, a database that refuses.

Nothing is lost by it: hosts go on, and their journals hold what they write until the fault ends. But a page
on which nothing moves must say so, since when, and what to do. A worker whose ticks are refused says it
beside its heartbeat. One whose heartbeats are refused as well cannot: then whoever asks looks for himself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.db import DatabaseError, connection

from rollcast.engine.problems import Problem, gettext_noop
from rollcast.rollouts import leases

# Below so many free bytes a tick of output and the growth of the write-ahead log have no room.
SHORT_BYTES: Final = 4 * 1024 * 1024
# Milliseconds for which a healthy database may be locked when we try: a tick takes some 10.
PATIENCE_MS: Final = 500

_TROUBLES: Final[dict[str, tuple[str, str]]] = {
    "no_worker": (
        gettext_noop("No worker is running."),
        gettext_noop("Nothing happens until one does: start rollcast worker."),
    ),
    "worker_silent": (
        gettext_noop("A worker has fallen silent: %(why)s. Its hosts go on by themselves."),
        gettext_noop("Within seconds another worker takes over where it stopped."),
    ),
    "disk_full": (
        gettext_noop("The disk of the console is full: nothing is stored."),
        gettext_noop("Make room. What hosts write stays in their journals and is read then."),
    ),
    "database_locked": (
        gettext_noop("Another program keeps the database locked: nothing is stored."),
        gettext_noop("End it. What hosts write stays in their journals and is read then."),
    ),
    "database_refuses": (
        gettext_noop("The database refuses what workers want to store: %(why)s"),
        gettext_noop("The log says more. What hosts write stays in their journals and is read later."),
    ),
}


@dataclass(frozen=True)
class Standstill:
    """What is wrong, and since when (Unix time in seconds; None if there never was a worker)."""

    problem: Problem
    since: float | None


def standstill(now: float) -> Standstill | None:
    """Why nothing goes on; None while whoever holds hosts is heard, and what workers store is taken."""
    signs = leases.signs_of_life(now)
    if signs.n_alive and signs.refused is not None:
        return _standstill(_code_of(signs.refused.why), signs.refused.since, signs.refused.why)
    if signs.n_alive:
        silent = leases.silent_holder(now)
        return _standstill("worker_silent", silent.beat_at, silent.name) if silent else None
    code = "disk_full" if _disk_is_short() else "database_locked" if _locked() else "no_worker"
    return _standstill(code, signs.last_beat)


def refusal(error: DatabaseError) -> Problem:
    """Why what somebody asked for could not be written down; nothing of it was done."""
    return _standstill(_code_of(str(error)), None, str(error)).problem


def _standstill(code: str, since: float | None, why: str = "") -> Standstill:
    template, cure = _TROUBLES[code]
    return Standstill(Problem(code, template, {"why": why}, cure), since)


def _code_of(why: str) -> str:
    """By SQLite's words; what is none of these is shown as it was said."""
    if "full" in why or "disk I/O" in why:
        return "disk_full"
    return "database_locked" if "locked" in why else "database_refuses"


def _disk_is_short() -> bool:
    if connection.vendor != "sqlite":
        return False
    try:
        room = os.statvfs(Path(connection.settings_dict["NAME"]).parent)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < SHORT_BYTES


def _locked() -> bool:
    """Whether somebody else holds the write lock for longer than any of us does."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return False
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        (before,) = cursor.fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
        try:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("ROLLBACK")
        except DatabaseError as error:
            return "locked" in str(error)
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {int(before)}")
    return False
