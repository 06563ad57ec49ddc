"""Rights start from the rows as they are now, not from the handshake."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings

from livefeed.access import current_user, may_read
from livefeed.sign_in import session_user_stack

pytestmark = pytest.mark.django_db(transaction=True)


def session_cookie(user: User) -> str:
    browser = Client()
    browser.force_login(user)
    return browser.cookies[django_settings.SESSION_COOKIE_NAME].value


def stored_sessions() -> list[tuple[str, str]]:
    return list(Session.objects.values_list("session_key", "session_data"))


async def scope_of(cookie: str) -> dict[str, Any]:
    """What the middleware makes of a socket's handshake."""
    found: dict[str, Any] = {}

    async def inner(scope: dict[str, Any], receive: Any, send: Any) -> None:
        found.update(scope)

    header = (b"cookie", f"{django_settings.SESSION_COOKIE_NAME}={cookie}".encode())
    await session_user_stack(inner)({"type": "websocket", "headers": [header]}, None, None)
    return found


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


@pytest.mark.parametrize(
    ("fallbacks", "known"), [(["the old key, long enough to be one"], True), ([], False)]
)
async def test_a_new_secret_key_leaves_the_session_to_the_next_page(
    olga: User, settings: Settings, fallbacks: list[str], known: bool
) -> None:
    """A socket cannot set the cookie of a session that was given another key."""
    settings.SECRET_KEY = "the old key, long enough to be one"
    cookie = await sync_to_async(session_cookie)(olga)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the new key, long enough to be one", fallbacks
    before = await sync_to_async(stored_sessions)()
    scope = await scope_of(cookie)
    assert scope["user"].is_authenticated == known
    assert (await sync_to_async(current_user)(scope) == olga) == known
    assert await sync_to_async(stored_sessions)() == before


@pytest.mark.parametrize(
    "change", [{"_auth_user_id": "999"}, {"_auth_user_backend": "gone.Backend"}, {"_auth_user_hash": "x"}]
)
def test_a_session_that_does_not_fit_is_nobodys(scope: dict[str, Any], change: dict[str, str]) -> None:
    scope["session"].update(change)
    scope["session"].save()
    assert current_user(scope) == AnonymousUser()


def test_an_expired_session_is_nobodys(scope: dict[str, Any]) -> None:
    scope["session"].set_expiry(-1)
    scope["session"].save()
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


def test_a_rule_that_has_to_be_awaited_lets_nobody_in(olga: User, settings: Settings) -> None:
    settings.LIVEFEED = {"MAY_READ": "tests.livefeed.broken.awaitable"}
    with pytest.raises(TypeError, match="must be a plain function"):
        may_read(olga, "f")
