"""App configuration."""

from __future__ import annotations

from django.apps import AppConfig


class RollcastRolloutsConfig(AppConfig):
    """The Django app `rollcast.rollouts`."""

    name = "rollcast.rollouts"
    label = "rollcast_rollouts"
    default_auto_field = "django.db.models.BigAutoField"
