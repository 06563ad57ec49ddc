"""Path → view, for pages. Sockets are in routing.py."""

from __future__ import annotations

from django.urls import include, path

from ver_update import views

urlpatterns = [
    path("", views.page),
    path("start/", views.start),
    path("cut/", views.cut),
    path("", include("livefeed.urls")),  # livefeed/history
]
