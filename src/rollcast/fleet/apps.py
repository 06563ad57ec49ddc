"""App configuration."""

from __future__ import annotations

from django.apps import AppConfig


class RollcastFleetConfig(AppConfig):
    """The Django app `rollcast.fleet`."""

    name = "rollcast.fleet"
    label = "rollcast_fleet"
    default_auto_field = "django.db.models.BigAutoField"
