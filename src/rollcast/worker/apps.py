"""App configuration."""

from __future__ import annotations

from django.apps import AppConfig


class RollcastWorkerConfig(AppConfig):
    """The Django app `rollcast.worker`."""

    name = "rollcast.worker"
    label = "rollcast_worker"
    default_auto_field = "django.db.models.BigAutoField"
