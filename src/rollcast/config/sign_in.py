"""One-time sign-in links of the shipped project, whole: address, path and token."""

from __future__ import annotations

from django.urls import reverse

from rollcast.access.audit import record
from rollcast.access.links import create_link
from rollcast.config.boot import operator


def sign_in_link(url: str, username: str, actor: str) -> str:
    """A link on the console at `url` that signs `username` in once; the user is made when missing."""
    token = create_link(operator(username))
    record(actor, "sign_in_link.made", f"user/{username}")
    return url + reverse("access:sign_in_link", args=[token])
