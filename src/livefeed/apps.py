"""App configuration."""

from __future__ import annotations

from django.apps import AppConfig
from typing_extensions import override


class LivefeedConfig(AppConfig):
    """The Django app `livefeed`."""

    name = "livefeed"
    label = "livefeed"
    default_auto_field = "django.db.models.BigAutoField"

    @override
    def ready(self) -> None:
        from livefeed import checks, wiring  # noqa: F401  (registers them)
