"""System checks: what a project that mounts Rollcast may have forgotten, said by `manage.py check`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.template import TemplateDoesNotExist, engines
from django.template.backends.django import DjangoTemplates
from django.template.loader import get_template
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from rollcast.conf import DEFAULTS, option
from rollcast.engine.problems import nearest

# App -> what is missing without it, and not said by anything else.
APPS: Final = {
    "django_htmx": "no list renews itself and no start has a preview",
    "lucide": "the sign-in pages fail",
    "rollcast.worker": "there is no `manage.py rollcast_worker` to carry rollouts out",
    "django.contrib.messages": "the pages fail that say what was done",
}
# What a page's address is needed for, by the module that brings it.
ADDRESSES: Final = {"console:overview": "rollcast.console.urls", "livefeed:history": "livefeed.urls"}
PROCESSORS: Final = (
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
)


@register()
def settings_are_sound(**kwargs: Any) -> list[CheckMessage]:
    """ROLLCAST names what exists."""
    found: list[CheckMessage] = []
    for name in sorted(set(getattr(settings, "ROLLCAST", {})) - set(DEFAULTS)):
        meant = nearest(name, [known.lower() for known in DEFAULTS])
        hint = f"Did you mean {meant.upper()}?" if meant else "docs/settings.md lists all settings."
        found.append(_error(1, f"ROLLCAST has no setting {name!r}.", hint))
    for name in ("MAY_OPERATE", "DISPATCHER"):
        try:
            import_string(option(name))
        except ImportError as error:
            hint = "Set it to a dotted path, or leave it out."
            found.append(_error(2, f"ROLLCAST[{name!r}] cannot be imported: {error}", hint))
    try:
        get_template(option("BASE_TEMPLATE"))
    except TemplateDoesNotExist:
        hint = "Name a template of yours, or leave it out for our own frame."
        found.append(_error(3, f"There is no template {option('BASE_TEMPLATE')!r} for BASE_TEMPLATE.", hint))
    return found


@register()
def the_project_around_is_whole(**kwargs: Any) -> list[CheckMessage]:
    """Apps, addresses and template settings that the pages cannot do without."""
    return [*_apps(), *_addresses(), *_processors()]


def _apps() -> Iterator[CheckMessage]:
    for name, harm in APPS.items():
        if not apps.is_installed(name):
            yield _error(4, f"Without the app {name!r} {harm}.", f"Add {name!r} to INSTALLED_APPS.")


def _addresses() -> Iterator[CheckMessage]:
    for name, module in ADDRESSES.items():
        try:
            reverse(name)
        except NoReverseMatch:
            hint = f'Add path("ops/", include("{module}")) to your URLs; the prefix is yours to choose.'
            yield _error(5, f"{module} is not included: the pages need {name!r}.", hint)


def _processors() -> Iterator[CheckMessage]:
    for engine in engines.all():
        if isinstance(engine, DjangoTemplates):
            for name in set(PROCESSORS) - set(engine.engine.context_processors):
                hint = "Add it to the context_processors in TEMPLATES."
                yield _error(6, f"The pages need the context processor {name}.", hint)


def _error(number: int, message: str, hint: str) -> Error:
    return Error(message, hint=hint, id=f"rollcast.E00{number}")
