"""Who may do what: the one place that answers. Denied until given.

There is one right in this version: to operate. It opens the pages, the API and the feeds alike.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.utils.module_loading import import_string

from rollcast.conf import option

User = AbstractBaseUser | AnonymousUser

PERMISSION: Final = "rollcast_rollouts.operate"
# Feeds that belong to Rollcast; another app of the same project decides about its own by
# LIVEFEED["MAY_READ"].
FEED_PREFIX: Final = "rollout/"


def staff_with_permission(user: User) -> bool:
    """The default of ROLLCAST["MAY_OPERATE"]: active staff with the permission to operate rollouts."""
    if not user.is_active:
        return False
    return bool(getattr(user, "is_staff", False)) and bool(_has_permission(user))


def _has_permission(user: User) -> bool:
    has_perm = getattr(user, "has_perm", None)
    return has_perm is not None and has_perm(PERMISSION)


def may_operate(user: User) -> bool:
    """Whether `user` may use Rollcast, by ROLLCAST["MAY_OPERATE"]."""
    rule: Callable[[User], bool] = import_string(option("MAY_OPERATE"))
    return bool(rule(user))


def may_read_feed(user: User, key: str) -> bool:
    """Whether `user` may read the feed `key`; the shipped LIVEFEED["MAY_READ"]."""
    return key.startswith(FEED_PREFIX) and may_operate(user)


def operator_required(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For pages: who is not signed in goes to the project's LOGIN_URL and back; without the right, a 403."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not may_operate(request.user):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded
