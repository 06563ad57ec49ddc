"""The shop's addresses."""

from __future__ import annotations

from django.contrib.auth.views import LoginView
from django.urls import include, path

from . import views

urlpatterns = [
    path("sign-in/", LoginView.as_view(template_name="shop/sign_in.html", next_page="/"), name="sign_in"),
    path("", views.home, name="home"),
    path("imports/<int:number>/", views.progress, name="progress"),
    path("imports/<int:number>/sync", views.run_sync, name="run_sync"),
    path("imports/<int:number>/async", views.run_async, name="run_async"),
    path("", include("livefeed.urls")),
]
