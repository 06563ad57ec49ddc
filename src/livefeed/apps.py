"""App configuration."""

from __future__ import annotations

from django.apps import AppConfig


class LivefeedConfig(AppConfig):
    """The Django app `livefeed`."""

    name = "livefeed"
    label = "livefeed"
    default_auto_field = "django.db.models.BigAutoField"
