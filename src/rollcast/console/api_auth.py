"""Who may use the API: whoever may use the pages, with the same cookie, and a CSRF token on every change."""

from __future__ import annotations

from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security import SessionAuth
from typing_extensions import override

from livefeed.access import foreign_origin
from rollcast.access.permissions import User, may_operate


class OperatorSession(SessionAuth):
    """The session cookie of an operator. The parent class checks the CSRF token of unsafe methods first."""

    @override
    def authenticate(self, request: HttpRequest, key: str | None) -> User | None:
        """The user; None (401) without one; HttpError 403 without the right or from a foreign page."""
        if not request.user.is_authenticated:
            return None
        if foreign_origin(request) or not may_operate(request.user):
            raise HttpError(403, "Not allowed.")
        return request.user
