"""System checks of the settings and the database: what would make livefeed silent or slow, said at start-up.

What is checked of the project around is in `livefeed.wiring`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution
from django.db import connection
from django.utils.module_loading import import_string

from livefeed.conf import DEFAULTS, option

# SQLite's transactions that wait for their turn at BEGIN.
BEGIN_AS_WRITERS: Final = {"IMMEDIATE", "EXCLUSIVE"}
# The first of each must not be above the second.
ORDERED: Final = (
    ("WINDOW_MIN_BYTES", "WINDOW_MAX_BYTES"),
    ("ACK_FAST_S", "ACK_SLOW_S"),
    ("HEARTBEAT_S", "DEAD_S"),
    ("RETRY_FIRST_MAX_MS", "RETRY_CAP_MS"),
)


@register()
def settings_are_sound(**kwargs: Any) -> list[CheckMessage]:
    """LIVEFEED names what exists, every value is one, and somebody may read."""
    given = getattr(settings, "LIVEFEED", {})
    if not isinstance(given, dict):
        hint = 'Write it like this: LIVEFEED = {"MAY_READ": "mysite.rights.may_read"}.'
        return [Error("LIVEFEED must be a dict.", hint=hint, id="livefeed.E004")]
    wrong = list(_wrong_values(given))
    return [*_unknown_names(given), *wrong, *([] if wrong else [*_order(), *_paths()])]


def _unknown_names(given: dict[str, Any]) -> Iterator[CheckMessage]:
    for name in sorted(set(given) - set(DEFAULTS)):
        [meant] = get_close_matches(str(name).upper(), DEFAULTS, n=1) or [""]
        hint = f"Did you mean {meant}?" if meant else f"Settings: {', '.join(sorted(DEFAULTS))}."
        yield Error(f"LIVEFEED has no setting {name!r}.", hint=hint, id="livefeed.E001")


def _wrong_values(given: dict[str, Any]) -> Iterator[CheckMessage]:
    for name, default in DEFAULTS.items():
        wanted = _wanted(name, given.get(name, default), default)
        if wanted:
            message = f"LIVEFEED[{name!r}] must be {wanted}, not {given[name]!r}."
            hint = f"Leave it out for the default, {default!r}, or see docs/settings.md."
            yield Error(message, hint=hint, id="livefeed.E004")


def _wanted(name: str, value: Any, default: Any) -> str:
    """What the value should have been, or nothing if it will do. The default says which kind is meant."""
    if name == "MAY_READ" or isinstance(default, str):
        fits = isinstance(value, str) or value is default
        return "" if fits else "the dotted path of a function" if name == "MAY_READ" else "a text"
    if isinstance(default, int) and not isinstance(default, bool):
        return "" if type(value) is int and value > 0 else "a whole number above 0"
    if isinstance(default, float):
        fits = type(value) in {int, float} and math.isfinite(value) and value > 0
        return "" if fits else "a number above 0"
    return ""


def _order() -> Iterator[CheckMessage]:
    for low, high in ORDERED:
        if option(low) > option(high):
            message = f"LIVEFEED[{low!r}] is {option(low)}, above {high!r} with {option(high)}."
            yield Error(message, hint=f"Lower {low} or raise {high}.", id="livefeed.E004")


def _paths() -> Iterator[CheckMessage]:
    """What the dotted paths lead to."""
    if option("MAY_READ") is None:
        hint = 'Set LIVEFEED["MAY_READ"] to the dotted path of a function (user, feed key) -> bool.'
        yield Caution("Nobody may read any feed.", hint=hint, id="livefeed.W001")
    for name in ("MAY_READ", "DOORBELL"):
        if option(name) is None:
            continue
        try:
            found = import_string(option(name))
        except ImportError as error:
            hint = "Write the dotted path of something that can be imported."
            yield Error(f"LIVEFEED[{name!r}] cannot be imported: {error}", hint=hint, id="livefeed.E002")
            continue
        trouble = _rule_trouble(found) if name == "MAY_READ" else _bell_trouble(found)
        if trouble:
            hint = (
                "It must be a plain function: def may_read(user, feed): return …"
                if name == "MAY_READ"
                else "Leave it out, or name one of livefeed.doorbells."
            )
            yield Error(f"LIVEFEED[{name!r}], {option(name)}, {trouble}.", hint=hint, id="livefeed.E005")
    if option("DOORBELL").startswith("livefeed.doorbells.sqlite.") and connection.vendor != "sqlite":
        hint = 'Set LIVEFEED["DOORBELL"] to "livefeed.doorbells.memory.MemoryDoorbell".'
        yield Error("The SQLite doorbell needs an SQLite database.", hint=hint, id="livefeed.E003")


def _rule_trouble(rule: Any) -> str:
    if not callable(rule):
        return "cannot be called"
    if inspect.iscoroutinefunction(rule) or inspect.iscoroutinefunction(type(rule).__call__):
        return "is a coroutine function, and would never answer"
    try:
        inspect.signature(rule).bind("user", "feed")
    except TypeError:
        return "does not take (user, feed)"
    except ValueError:  # written in C: it has no signature to look at
        return ""
    return ""


def _bell_trouble(bell: Any) -> str:
    return "" if all(callable(getattr(bell, name, None)) for name in ("ring", "listen")) else "is no doorbell"


@register()
def sqlite_begins_immediate(**kwargs: Any) -> list[CheckMessage]:
    """Without IMMEDIATE a transaction that reads before it writes fails at once when another one writes."""
    options = connection.settings_dict.get("OPTIONS", {})
    if connection.vendor != "sqlite" or str(options.get("transaction_mode")).upper() in BEGIN_AS_WRITERS:
        return []
    message = "SQLite does not begin its transactions IMMEDIATE: some fail with “database is locked”."
    hint = 'Add "transaction_mode": "IMMEDIATE" to the OPTIONS of the database.'
    return [Caution(message, hint=hint, id="livefeed.W003")]


@register(Tags.database)
def sqlite_has_wal(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Without WAL every reader blocks the writer and the writer every reader."""
    if not databases or "default" not in databases or connection.vendor != "sqlite":
        return []
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        mode = cursor.fetchall()[0][0]
    if mode in {"wal", "memory"}:
        return []
    hint = 'Add "init_command": "PRAGMA journal_mode=WAL" to the OPTIONS of the database.'
    return [Caution(f"SQLite runs with journal_mode={mode}.", hint=hint, id="livefeed.W002")]
