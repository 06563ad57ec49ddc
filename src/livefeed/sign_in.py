"""Who opens a socket: Channels' cookie, session and user, by a look at the session that writes nothing."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from channels.auth import AuthMiddleware
from channels.sessions import CookieMiddleware
from django.conf import settings
from typing_extensions import override

from livefeed.access import user_of
from livefeed.threads import on_rights_thread


class SessionToRead:
    """Channels' SessionMiddleware for a socket that never saves one.

    Theirs also looks at the session at each message sent, to save it with the next HTTP answer: nothing for
    a feed, and a tenth of what a message costs.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        store = import_module(settings.SESSION_ENGINE).SessionStore
        session = store(scope["cookies"].get(settings.SESSION_COOKIE_NAME))
        await self.inner({**scope, "session": session}, receive, send)


class SessionUser(AuthMiddleware):
    """Channels' AuthMiddleware, with `livefeed.access.user_of` in the place of its get_user."""

    @override
    async def resolve_scope(self, scope: Any) -> None:
        scope["user"]._wrapped = await on_rights_thread(partial(user_of, scope["session"]))


def session_user_stack(inner: Any) -> Any:
    """What `channels.auth.AuthMiddlewareStack` is, for a live feed."""
    return CookieMiddleware(SessionToRead(SessionUser(inner)))
