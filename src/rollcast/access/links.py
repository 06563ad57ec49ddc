"""One-time sign-in links: `rollcast sign-in` prints one, the page behind it signs in by POST.

Promise: a link signs in once, within its time, and only by POST. Why true: redeeming is one UPDATE that finds
an unused, unexpired row, so of two clicks one finds nothing; GET (which mail scanners and link previews send)
never calls `redeem`. What would break it: reading the row first and writing `used_at` afterwards.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.utils import timezone

from rollcast.access.models import SignInLink
from rollcast.conf import option

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# 256 bits: nobody guesses it, so redeeming needs no rate limit.
TOKEN_BYTES = 32


class InvalidLink(Exception):
    """The link was used, has expired, or never existed; which of them is not told."""


def create_link(user: User, minutes: int | None = None) -> str:
    """A new link's token for `user`, valid for `minutes` (default: the setting SIGN_IN_LINK_MINUTES)."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    now = timezone.now()
    lifetime = timedelta(minutes=option("SIGN_IN_LINK_MINUTES") if minutes is None else minutes)
    SignInLink.objects.create(
        token_sha256=_digest(token), user_id=user.pk, created_at=now, expires_at=now + lifetime
    )
    return token


def redeem(token: str) -> User:
    """Use the link up and return its user; InvalidLink if it cannot be used, or the user is not active."""
    now = timezone.now()
    digest = _digest(token)
    usable = SignInLink.objects.filter(token_sha256=digest, used_at=None, expires_at__gt=now)
    if usable.update(used_at=now) != 1:
        raise InvalidLink
    user = get_user_model().objects.get(pk=SignInLink.objects.get(token_sha256=digest).user_id)
    if not user.is_active:
        raise InvalidLink
    return user


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
