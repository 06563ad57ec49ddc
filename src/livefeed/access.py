"""Who may read: LIVEFEED["MAY_READ"], and nobody while that is unset.

Everything here asks the database, so it is called on a thread. Rights are never remembered: each subscription
and each re-check starts from the session's row and the user's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils.module_loading import import_string

from livefeed.conf import option


def may_read(user: Any, feed: str) -> bool:
    """Does the project let this user read this feed?"""
    path = option("MAY_READ")
    if path is None or not user.is_authenticated or not user.is_active:
        return False
    asked = cast("Callable[[Any, str], bool]", import_string(path))
    return bool(asked(user, feed))


def foreign_origin(request: HttpRequest) -> bool:
    """Was this request sent by somebody else's page? True for an `Origin` that is neither ours nor trusted.

    Browsers put `Origin` on every request that is not a plain navigation or a same-origin read. Changes are
    checked by Django's CSRF protection; this closes reads, too, as the socket is closed to them.
    """
    origin = request.headers.get("Origin")
    if origin is None or origin == f"{request.scheme}://{request.get_host()}":
        return False
    return origin not in settings.CSRF_TRUSTED_ORIGINS


def current_user(scope: Mapping[str, Any]) -> Any:
    """The user of a socket as of now: AnonymousUser after sign-out, expiry, a new password or deactivation.

    `scope["user"]` is who it was at the handshake. With Django's session it is looked up afresh; where
    another middleware signed the user in without a session, the user's own row is read again.
    """
    user = scope.get("user")
    if user is None or not user.is_authenticated:
        return AnonymousUser()
    session = scope.get("session")
    if session is None:
        fresh = type(user)._default_manager.filter(pk=user.pk, is_active=True).first()
        return fresh or AnonymousUser()
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session.session_key)
    return get_user(request)
