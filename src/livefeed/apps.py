"""App configuration."""

from __future__ import annotations

from django.apps import AppConfig, apps
from typing_extensions import override


class LivefeedConfig(AppConfig):
    """The Django app `livefeed`."""

    name = "livefeed"
    label = "livefeed"
    default_auto_field = "django.db.models.BigAutoField"

    @override
    def ready(self) -> None:
        from livefeed import checks, wiring  # noqa: F401  (registers them)

        if apps.is_installed("django.contrib.auth"):
            from livefeed.rights import watch_rights

            watch_rights()
