"""App configuration: only in the demo's own console."""

from __future__ import annotations

from django.apps import AppConfig


class RollcastDemoConfig(AppConfig):
    """The Django app `rollcast.demo`: the page of the drill."""

    name = "rollcast.demo"
    label = "rollcast_demo"
