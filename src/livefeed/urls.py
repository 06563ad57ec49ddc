"""HTTP routes: the history pages."""

from __future__ import annotations

from django.urls import path

from livefeed.views import history

app_name = "livefeed"
urlpatterns = [path("livefeed/history", history, name="history")]
