"""The sample project's addresses: livefeed's, and one that lets a test look inside."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.urls import include, path

from livefeed.reader import readers


async def watched(request: HttpRequest) -> JsonResponse:
    """How many feeds the process follows: none without a client, once READER_LINGER_S is over."""
    return JsonResponse({"feeds": len(readers()._readers)})


urlpatterns = [path("", include("livefeed.urls")), path("watched", watched)]
