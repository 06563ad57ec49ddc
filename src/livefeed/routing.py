"""WebSocket routes, for the project's URLRouter (which takes no `include()`; a nested URLRouter works)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.urls import path

from livefeed.consumers import FeedConsumer

# django.urls' types know views only; URLRouter takes what a route carries for an ASGI application.
_socket = cast("Callable[..., Any]", FeedConsumer.as_asgi())
websocket_urlpatterns: list[Any] = [path("livefeed/", _socket, name="livefeed")]
