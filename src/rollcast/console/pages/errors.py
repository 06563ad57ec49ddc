"""What people see when a page is refused, missing or broken. The URLconf names them as handlers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from rollcast.console.pages.frame import show


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: signed in, but without the right."""
    return show(request, "refused.html", {"code": 403}, status=403)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form without a valid token, or sent by a page of somebody else's."""
    return show(request, "refused.html", {"code": 403, "csrf": True}, status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: no such page."""
    return show(request, "refused.html", {"code": 404}, status=404)


def broken(request: HttpRequest) -> HttpResponse:
    """500: our fault. The template needs neither the database nor a user, as either may be what broke."""
    return render(None, "console/broken.html", status=500)
