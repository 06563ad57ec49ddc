"""The back office's addresses, and Rollcast under `/ops/`."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path
from django.views.generic import TemplateView

urlpatterns = [
    path("", TemplateView.as_view(template_name="backoffice/home.html"), name="home"),
    path("staff/enter/", auth.LoginView.as_view(template_name="backoffice/enter.html"), name="enter"),
    path("staff/leave/", auth.LogoutView.as_view(next_page="enter"), name="leave"),
    path("boss/", admin.site.urls),
    path("ops/", include("rollcast.console.urls")),
    path("ops/", include("livefeed.urls")),
]
