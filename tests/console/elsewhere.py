"""A URLconf of somebody else's: no sign-in of ours, and a prefix that a search for "/rollouts/" falls for."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def enter(request: HttpRequest) -> HttpResponse:
    """The project's own sign-in page."""
    return HttpResponse("who are you?")


urlpatterns = [
    path("enter/", enter, name="enter"),
    path("rollouts/", include("rollcast.console.urls")),
    path("rollouts/", include("livefeed.urls")),
]
