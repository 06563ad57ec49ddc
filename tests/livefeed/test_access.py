"""Rights start from the rows as they are now, not from the handshake."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from pytest_django import Settings

from livefeed.access import current_user, may_read

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser(olga: User) -> Client:
    client = Client()
    client.force_login(olga)
    return client


@pytest.fixture
def scope(olga: User, browser: Client) -> dict[str, Any]:
    """What the middleware left in the socket's scope at the handshake."""
    key = browser.cookies[django_settings.SESSION_COOKIE_NAME].value
    return {"user": olga, "session": SessionStore(key)}


def test_who_is_signed_in_stays_signed_in(olga: User, scope: dict[str, Any]) -> None:
    assert current_user(scope) == olga


def test_a_sign_out_elsewhere_counts(browser: Client, scope: dict[str, Any]) -> None:
    browser.logout()
    assert current_user(scope) == AnonymousUser()


def test_a_new_password_counts(olga: User, scope: dict[str, Any]) -> None:
    olga.set_password("another one")
    olga.save()
    assert current_user(scope) == AnonymousUser()


@pytest.mark.parametrize("with_session", [True, False])
def test_a_deactivated_user_is_nobody(olga: User, scope: dict[str, Any], with_session: bool) -> None:
    User.objects.update(is_active=False)
    if not with_session:
        del scope["session"]
    assert current_user(scope) == AnonymousUser()


def test_a_scope_without_a_user_is_nobody() -> None:
    assert current_user({}) == AnonymousUser()


def test_nobody_may_read_until_the_project_says_who(olga: User, settings: Settings) -> None:
    settings.LIVEFEED = {}
    assert not may_read(olga, "f")
    settings.LIVEFEED = {"MAY_READ": "tests.livefeed.serving.may_read"}
    assert may_read(olga, "f")
    assert not may_read(olga, "secret")
    assert not may_read(AnonymousUser(), "f")
