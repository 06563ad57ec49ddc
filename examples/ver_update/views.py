"""The page and its two buttons."""

from __future__ import annotations

import secrets

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from ver_update import live
from ver_update.cable import cable
from ver_update.update import TOTAL


def page(request: HttpRequest) -> HttpResponse:
    """Every browser that comes is signed in as a guest, so that `scope["user"]` has somebody to show."""
    if not request.user.is_authenticated:
        login(request, User.objects.create_user(f"guest-{secrets.token_hex(3)}"))
    request.session["visits"] = request.session.get("visits", 0) + 1
    feed = request.session.get("feed")
    update = live.stored(feed) if feed else None
    return render(request, "ver_update/page.html", {"update": update, "total": TOTAL})


@require_POST
def start(request: HttpRequest) -> JsonResponse:
    """Start an update that lives in a feed; the session remembers which, for a reload."""
    if request.user.pk is None:
        raise PermissionDenied
    cursor = live.start(request.user.pk)
    request.session["feed"] = cursor["feed"]
    return JsonResponse(cursor)


@require_POST
async def cut(request: HttpRequest) -> JsonResponse:
    """Cut every connection, as a tunnel or a sleeping laptop would; this request's ends with its answer."""
    answer = {"cut": cable.cut(asked_by=request.META["REMOTE_PORT"])}
    return JsonResponse(answer, headers={"Connection": "close"})
