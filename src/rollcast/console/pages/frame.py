"""What every page has in common: who may see it, the template that frames it, the answer when signed out."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django_htmx.http import HttpResponseClientRedirect

from livefeed.access import foreign_origin
from rollcast.access.permissions import operator_required
from rollcast.conf import option

View = Callable[..., HttpResponseBase]


def console_page(view: View) -> View:
    """For operators only. A signed-out htmx request moves the whole page to the sign-in, not a part of it."""
    guarded = operator_required(view)

    @login_not_required  # `guarded` asks, and a middleware's redirect would end up within a page
    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if foreign_origin(request):
            raise PermissionDenied
        response = guarded(request, *args, **kwargs)
        if response.status_code == 302 and request.headers.get("HX-Request"):
            return HttpResponseClientRedirect(response["Location"])
        return response

    return page


def show(request: HttpRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """Render a page into the frame that `ROLLCAST["BASE_TEMPLATE"]` names."""
    return render(
        request, f"console/{template}", {"base_template": option("BASE_TEMPLATE"), **context}, status=status
    )


def actor_of(request: HttpRequest) -> str:
    """Who acts, as events and audit name it; only behind `console_page` or the API's sign-in."""
    user = request.user
    if not isinstance(user, AbstractBaseUser):
        raise TypeError("an anonymous request reached an action")
    return f"user:{user.get_username()}"


def page_number(request: HttpRequest) -> int:
    """What `?page=` asks for; 1 for anything that is no number."""
    text = request.GET.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() else 1
