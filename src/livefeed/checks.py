"""System checks: what would make livefeed silent or slow, said at start-up."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution
from django.db import connection
from django.utils.module_loading import import_string

from livefeed.conf import DEFAULTS, option


@register()
def settings_are_sound(**kwargs: Any) -> list[CheckMessage]:
    """LIVEFEED names what exists, and somebody may read."""
    from django.conf import settings

    found: list[CheckMessage] = [
        Error(
            f"LIVEFEED has no setting {name!r}.",
            hint=f"Settings: {', '.join(sorted(DEFAULTS))}.",
            id="livefeed.E001",
        )
        for name in sorted(set(getattr(settings, "LIVEFEED", {})) - set(DEFAULTS))
    ]
    if option("MAY_READ") is None:
        hint = 'Set LIVEFEED["MAY_READ"] to the dotted path of a function (user, feed key) -> bool.'
        found.append(Caution("Nobody may read any feed.", hint=hint, id="livefeed.W001"))
    for name in ("MAY_READ", "DOORBELL"):
        try:
            if option(name) is not None:
                import_string(option(name))
        except ImportError as error:
            found.append(Error(f"LIVEFEED[{name!r}] cannot be imported: {error}", id="livefeed.E002"))
    if option("DOORBELL").startswith("livefeed.doorbells.sqlite.") and connection.vendor != "sqlite":
        hint = 'Set LIVEFEED["DOORBELL"] to "livefeed.doorbells.memory.MemoryDoorbell".'
        found.append(Error("The SQLite doorbell needs an SQLite database.", hint=hint, id="livefeed.E003"))
    return found


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
