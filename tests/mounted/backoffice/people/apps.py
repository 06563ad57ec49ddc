"""App configuration."""

from __future__ import annotations

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """The people who work here."""

    name = "backoffice.people"
    label = "people"
