"""HTTP routes: the live feed without a WebSocket, on the socket's own path, and the history pages."""

from __future__ import annotations

from django.urls import path

from livefeed.streams import feed
from livefeed.views import history

app_name = "livefeed"
urlpatterns = [path("livefeed/", feed, name="feed"), path("livefeed/history", history, name="history")]
