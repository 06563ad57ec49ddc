"""Who opens a socket: Channels' cookie, session and user, by a look at the session that writes nothing."""

from __future__ import annotations

from functools import partial
from typing import Any

from channels.auth import AuthMiddleware
from channels.sessions import CookieMiddleware, SessionMiddleware
from typing_extensions import override

from livefeed.access import user_of
from livefeed.threads import on_page_thread


class SessionUser(AuthMiddleware):
    """Channels' AuthMiddleware, with `livefeed.access.user_of` in the place of its get_user."""

    @override
    async def resolve_scope(self, scope: Any) -> None:
        scope["user"]._wrapped = await on_page_thread(partial(user_of, scope["session"]))


def session_user_stack(inner: Any) -> Any:
    """What `channels.auth.AuthMiddlewareStack` is, for a live feed."""
    return CookieMiddleware(SessionMiddleware(SessionUser(inner)))
