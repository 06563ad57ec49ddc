"""Who may watch."""

from __future__ import annotations

from typing import Any

from .models import Import


def may_read(user: Any, feed: str) -> bool:
    """An import is shown to whoever started it."""
    kind, _, number = feed.partition("/")
    return kind == "import" and number.isdecimal() and Import.objects.filter(pk=number, owner=user).exists()
