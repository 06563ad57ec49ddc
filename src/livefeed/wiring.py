"""System checks of the project around: what would keep a page from its feed, and the cure.

An ASGI application is looked at as Channels routes: ProtocolTypeRouter, middleware that keeps what is inside
as `application`, `inner` or `app`, URLRouter. What cannot be looked into is taken to be right.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final, cast

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Caution
from django.core.management import get_commands, load_command_class
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.module_loading import import_string

INCLUDE: Final = 'Add path("", include("livefeed.urls")) to your URLs; the prefix is yours to choose.'
ROUTE: Final = (
    'ProtocolTypeRouter({"http": …, "websocket": AllowedHostsOriginValidator(session_user_stack('
    "URLRouter(websocket_urlpatterns)))}), with livefeed.routing and livefeed.sign_in: docs/livefeed.md."
)
ASGI_SERVER: Final = (
    "Start an ASGI server, `uvicorn mysite.asgi:application --ws wsproto`, "
    'or put "daphne" first in INSTALLED_APPS for its runserver.'
)
MIDDLEWARE: Final = {
    "django.contrib.sessions.middleware.SessionMiddleware": "Nobody's session is known",
    "django.contrib.auth.middleware.AuthenticationMiddleware": "Nobody is signed in",
}
# The packages whose `runserver` serves sockets; others build on Django's, which does not.
ASGI_RUNSERVERS: Final = {"daphne", "channels"}


@register()
def the_project_around_is_whole(**kwargs: Any) -> list[CheckMessage]:
    """Addresses, middleware, sessions, the ASGI application and the server."""
    return [*_addresses(), *_middleware(), *_sessions(), *_application(), *_server()]


def live_path() -> str:
    """The path under which the feed is served, by whatever mount; raises NoReverseMatch."""
    return reverse("livefeed:feed")


def _addresses() -> Iterator[CheckMessage]:
    try:
        live_path()
    except NoReverseMatch:
        yield Caution(
            "livefeed.urls is not included: no page finds its feed.", hint=INCLUDE, id="livefeed.W004"
        )


def _middleware() -> Iterator[CheckMessage]:
    there = [import_string(path) for path in settings.MIDDLEWARE]
    for path, harm in MIDDLEWARE.items():
        wanted = import_string(path)
        if not any(isinstance(each, type) and issubclass(each, wanted) for each in there):
            message = f"{harm}: {path} is missing, and history pages fail."
            yield Caution(message, hint=f'Add "{path}" to MIDDLEWARE.', id="livefeed.W005")


def _sessions() -> Iterator[CheckMessage]:
    from django.contrib.sessions.backends import signed_cookies

    if issubclass(import_module(settings.SESSION_ENGINE).SessionStore, signed_cookies.SessionStore):
        message = "Sessions are kept in signed cookies: whoever signs out reads on in pages that are open."
        hint = 'Set SESSION_ENGINE to "django.contrib.sessions.backends.db", or to cached_db or cache.'
        yield Caution(message, hint=hint, id="livefeed.W009")


def _application() -> Iterator[CheckMessage]:
    name = getattr(settings, "ASGI_APPLICATION", None)
    if not name:
        hint = 'Set ASGI_APPLICATION to what your server serves: "mysite.asgi.application".'
        message = "ASGI_APPLICATION is not set: nobody can see whether the feed's socket has a route."
        yield Caution(message, hint=hint, id="livefeed.W006")
        return
    try:
        application = import_string(name)
    except ImportError as error:
        hint = 'Set it to the dotted path of your ASGI application: "mysite.asgi.application".'
        yield Error(f"ASGI_APPLICATION cannot be imported: {error}", hint=hint, id="livefeed.E006")
        return
    try:
        path = live_path().removeprefix(get_script_prefix())
    except NoReverseMatch:
        return  # said already
    trouble = _socket_trouble(application, path)
    if trouble:
        yield Caution(f"{name} {trouble}", hint=ROUTE, id="livefeed.W007")


def _socket_trouble(application: Any, path: str) -> str:
    """What keeps the application from serving the feed's socket at this path; empty if nothing does."""
    from channels.routing import ProtocolTypeRouter
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler

    if isinstance(application, WSGIHandler):
        return "is a WSGI application: it serves no socket."
    if isinstance(application, ASGIHandler):
        return "is Django's own: it serves pages and no socket."
    if not isinstance(application, ProtocolTypeRouter):
        return ""
    sockets = application.application_mapping.get("websocket")
    if sockets is None:
        return 'has nothing for "websocket".'
    if _leads_to_a_feed(sockets, path) is False:
        return f"has no route to livefeed at {path!r}, where livefeed.urls is: both need the same prefix."
    return ""


def _leads_to_a_feed(application: Any, path: str) -> bool | None:
    """Does a socket on this path reach livefeed? None where that cannot be seen."""
    from channels.routing import URLRouter

    from livefeed.consumers import FeedConsumer

    if isinstance(application, URLRouter):
        for route in cast("list[Any]", application.routes):
            match = route.pattern.match(path)
            if match:
                return _leads_to_a_feed(route.callback, match[0].lstrip("/"))
        return False
    consumer = getattr(application, "consumer_class", None)
    if isinstance(consumer, type):
        return issubclass(consumer, FeedConsumer)
    for name in ("application", "inner", "app"):
        if hasattr(application, name):
            return _leads_to_a_feed(getattr(application, name), path)
    return None


def _server() -> Iterator[CheckMessage]:
    if sys.argv[1:2] != ["runserver"]:
        return
    command = load_command_class(get_commands()["runserver"], "runserver")
    if not ASGI_RUNSERVERS & {base.__module__.partition(".")[0] for base in type(command).__mro__}:
        message = "This runserver speaks WSGI: it serves no socket."
        yield Caution(message, hint=ASGI_SERVER, id="livefeed.W008")
