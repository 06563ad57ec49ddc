"""Who may read: LIVEFEED["MAY_READ"], and nobody while that is unset.

Everything here asks the database, so it is called on a thread. Rights are never remembered: each subscription
and each re-check starts from the session's row and the user's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import isawaitable
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string

from livefeed.conf import option


def may_read(user: Any, feed: str) -> bool:
    """Does the project let this user read this feed? Raises TypeError for a rule that has to be awaited."""
    path = option("MAY_READ")
    if path is None or not user.is_authenticated or not user.is_active:
        return False
    asked = cast("Callable[[Any, str], object]", import_string(path))
    answer = asked(user, feed)
    if isawaitable(answer):  # a coroutine is always true: it would let everybody in
        raise TypeError(f'LIVEFEED["MAY_READ"], {path}, must be a plain function')
    return bool(answer)


def foreign_origin(request: HttpRequest) -> bool:
    """Was this request sent by somebody else's page? True for an `Origin` that is neither ours nor trusted.

    Browsers put `Origin` on every request that is not a plain navigation or a same-origin read. Changes are
    checked by Django's CSRF protection; this closes reads, too, as the socket is closed to them.
    """
    origin = request.headers.get("Origin")
    if origin is None or origin == f"{request.scheme}://{request.get_host()}":
        return False
    return origin not in settings.CSRF_TRUSTED_ORIGINS


def request_scope(request: HttpRequest) -> dict[str, Any]:
    """A request as a socket's scope: who asks, from where, and the session if that is what signed them in."""
    scope = {"user": request.user, "client": getattr(request, "scope", {}).get("client")}
    session = getattr(request, "session", None)
    if session is None or user_of(session) != request.user:
        return scope  # another middleware knew them: a token, a proxy's header
    return scope | {"session": session}


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
        fresh = user.__class__._default_manager.filter(pk=user.pk, is_active=True).first()
        return fresh or AnonymousUser()
    return user_of(import_module(settings.SESSION_ENGINE).SessionStore(session.session_key))


def user_of(session: SessionBase) -> Any:
    """The user of a session, or AnonymousUser. Writes nothing, unlike the get_user of Django and of Channels.

    Those give a session another key after a change of SECRET_KEY, or delete it. A socket cannot set the
    cookie that belongs to that: the page around it would be signed out. The next page does it in order.
    """
    try:
        key, path, proof = (session[name] for name in (SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY))
    except KeyError:
        return AnonymousUser()
    if path not in settings.AUTHENTICATION_BACKENDS:
        return AnonymousUser()
    user: Any = load_backend(path).get_user(get_user_model()._meta.pk.to_python(key))
    if user is None:
        return AnonymousUser()
    proofs = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return user if any(constant_time_compare(proof, each) for each in proofs) else AnonymousUser()
