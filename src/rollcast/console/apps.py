"""App configuration."""

from __future__ import annotations

from django.apps import AppConfig
from typing_extensions import override


class RollcastConsoleConfig(AppConfig):
    """The Django app `rollcast.console`."""

    name = "rollcast.console"
    label = "rollcast_console"
    default_auto_field = "django.db.models.BigAutoField"

    @override
    def ready(self) -> None:
        from rollcast.console import checks  # noqa: F401  (registers them)
