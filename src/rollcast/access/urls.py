"""URLs of the app."""

from __future__ import annotations

from django.urls import path

from rollcast.access import pages

app_name = "access"
urlpatterns = [
    path("sign-in/", pages.SignIn.as_view(), name="sign_in"),
    path("sign-in/link/<str:token>/", pages.sign_in_by_link, name="sign_in_link"),
    path("sign-out/", pages.SignOut.as_view(), name="sign_out"),
]
