"""URLs of the shipped project: wiring only."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("rollcast.access.urls")),
    path("", include("rollcast.console.urls")),
    path("", include("livefeed.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
]

handler403 = "rollcast.console.pages.errors.forbidden"
handler404 = "rollcast.console.pages.errors.not_found"
handler500 = "rollcast.console.pages.errors.broken"
