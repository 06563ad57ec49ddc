"""What projects get wrong: rules, doorbells and ASGI applications for the table of `test_checks`."""

from __future__ import annotations

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.middleware import BaseMiddleware
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

from livefeed.routing import websocket_urlpatterns
from livefeed.sign_in import session_user_stack

urlpatterns: list[Any] = []  # without livefeed.urls


class under_ops:
    """A URLconf with livefeed below a prefix."""

    urlpatterns = (path("ops/", include("livefeed.urls")),)


not_a_rule = "may_read"


class Later:
    """What a coroutine function answers: something that is true, and has to be awaited."""

    def __await__(self) -> Any:
        return iter(())


async def later(user: Any, feed: str) -> bool:
    return False


def awaitable(user: Any, feed: str) -> Any:
    return Later()


def too_few(user: Any) -> bool:
    return True


def everybody(user: Any, feed: str) -> bool:
    return True


def stack(*routes: Any) -> Any:
    """Sockets as the guide routes them."""
    return AllowedHostsOriginValidator(session_user_stack(URLRouter(list(routes))))


pages = get_asgi_application()
old = get_wsgi_application()
http_only = ProtocolTypeRouter({"http": pages})
no_route = ProtocolTypeRouter({"http": pages, "websocket": stack(path("chat/", pages))})  # type: ignore[arg-type]  # path() knows views only
whole = ProtocolTypeRouter({"http": pages, "websocket": stack(*websocket_urlpatterns)})
under_ops_whole = ProtocolTypeRouter(
    {"http": pages, "websocket": stack(path("ops/", URLRouter(websocket_urlpatterns)))}  # type: ignore[arg-type]  # path() knows views only
)
feed = URLRouter(websocket_urlpatterns)
tutorial = ProtocolTypeRouter({"websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(feed))})
nobody_known = ProtocolTypeRouter({"websocket": AllowedHostsOriginValidator(feed)})
any_site = ProtocolTypeRouter({"websocket": session_user_stack(feed)})


class ByToken(BaseMiddleware):
    """A project's own way to know people and their pages."""


by_token = ProtocolTypeRouter({"websocket": ByToken(feed)})


async def opaque(scope: Any, receive: Any, send: Any) -> None:
    """Nobody can see what is in here."""
