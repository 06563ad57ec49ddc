"""App configuration."""

from __future__ import annotations

from django.apps import AppConfig


class RollcastAccessConfig(AppConfig):
    """The Django app `rollcast.access`."""

    name = "rollcast.access"
    label = "rollcast_access"
    default_auto_field = "django.db.models.BigAutoField"
