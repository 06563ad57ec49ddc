"""App configuration."""

from __future__ import annotations

from django.apps import AppConfig


class RollcastConsoleConfig(AppConfig):
    """The Django app `rollcast.console`."""

    name = "rollcast.console"
    label = "rollcast_console"
    default_auto_field = "django.db.models.BigAutoField"
