"""System checks of the project around: what would keep a page from its feed, or open it to others, and cures.

An ASGI application is looked at as Channels routes: ProtocolTypeRouter, middleware that keeps what is inside
as `application`, `inner` or `app`, URLRouter. What cannot be looked into is taken to be right, and middleware
of somebody else's to do what it should.
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
SIGN_IN: Final = (
    "Put session_user_stack(…) of livefeed.sign_in around its routes, or Channels' AuthMiddlewareStack(…)."
)
ORIGIN: Final = "Put AllowedHostsOriginValidator(…) of channels.security.websocket around all of it."
ASGI_SERVER: Final = (
    "Start an ASGI server, `uvicorn mysite.asgi:application --ws wsproto`, "
    'or put "daphne" first in INSTALLED_APPS for its runserver.'
)
MIDDLEWARE: Final = {
    "django.contrib.sessions.middleware.SessionMiddleware": "Nobody's session is known",
    "django.contrib.auth.middleware.AuthenticationMiddleware": "Nobody is signed in",
}
# Where middleware keeps what is inside.
WITHIN: Final = ("application", "inner", "app")
# The packages whose middleware is known for what it does.
LOOKED_INTO: Final = {"channels", "livefeed"}
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
    from channels.routing import ProtocolTypeRouter

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
    trouble = _kind_trouble(application)
    if trouble:
        yield Caution(f"{name} {trouble}", hint=ROUTE, id="livefeed.W007")
    elif isinstance(application, ProtocolTypeRouter):
        yield from _way(name, _passed(application.application_mapping["websocket"], path), path)


def _kind_trouble(application: Any) -> str:
    """What about an application of this kind keeps it from serving any socket; empty if nothing does."""
    from channels.routing import ProtocolTypeRouter
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler

    if isinstance(application, WSGIHandler):
        return "is a WSGI application: it serves no socket."
    if isinstance(application, ASGIHandler):
        return "is Django's own: it serves pages and no socket."
    if isinstance(application, ProtocolTypeRouter) and "websocket" not in application.application_mapping:
        return 'has nothing for "websocket".'
    return ""


def _way(name: str, passed: list[type], path: str) -> Iterator[CheckMessage]:
    """Does it lead to livefeed, and past those who say who comes, and from whose page?"""
    from channels.auth import AuthMiddleware
    from channels.consumer import AsyncConsumer
    from channels.routing import URLRouter
    from channels.security.websocket import OriginValidator

    from livefeed.consumers import FeedConsumer

    end = passed[-1]
    if issubclass(end, URLRouter) or (issubclass(end, AsyncConsumer) and not issubclass(end, FeedConsumer)):
        message = f"{name} has no route to livefeed at {path!r}, where livefeed.urls is"
        yield Caution(f"{message}: both need the same prefix.", hint=ROUTE, id="livefeed.W007")
        return
    if any(each.__module__.partition(".")[0] not in LOOKED_INTO for each in passed):
        return
    if not any(issubclass(each, AuthMiddleware) for each in passed):
        message = f"{name} asks nobody on the feed's socket who they are: each is closed with 4501."
        yield Caution(message, hint=SIGN_IN, id="livefeed.W010")
    if not any(issubclass(each, OriginValidator) for each in passed):
        message = f"{name} lets pages that are not yours open the feed's socket, with your users' cookies."
        yield Caution(message, hint=ORIGIN, id="livefeed.W011")


def _passed(application: Any, path: str) -> list[type]:
    """The classes of what a socket on this path passes, from the outside in.

    The last one is its consumer, or a URLRouter without a route for it, or what cannot be looked into.
    """
    from channels.routing import URLRouter

    consumer = getattr(application, "consumer_class", None)
    if isinstance(consumer, type):
        return [consumer]
    within: Any = None
    if isinstance(application, URLRouter):
        for route in cast("list[Any]", application.routes):
            match = route.pattern.match(path)
            if match:
                within, path = route.callback, match[0].lstrip("/")
                break
    else:
        within = next((getattr(application, each) for each in WITHIN if hasattr(application, each)), None)
    return [type(application), *(_passed(within, path) if within is not None else [])]


def _server() -> Iterator[CheckMessage]:
    if sys.argv[1:2] != ["runserver"]:
        return
    command = load_command_class(get_commands()["runserver"], "runserver")
    if not ASGI_RUNSERVERS & {base.__module__.partition(".")[0] for base in type(command).__mro__}:
        message = "This runserver speaks WSGI: it serves no socket."
        yield Caution(message, hint=ASGI_SERVER, id="livefeed.W008")
