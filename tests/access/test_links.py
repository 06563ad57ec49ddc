"""One-time sign-in links: once, in time, by POST."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone

from rollcast.access.links import InvalidLink, create_link, redeem
from rollcast.access.models import AuditEntry, SignInLink


@pytest.fixture
def olga(db: None) -> User:
    return get_user_model().objects.create_user("olga", password="correct horse")


def path(token: str) -> str:
    return f"/sign-in/link/{token}/"


def test_a_link_signs_its_user_in_once(olga: User) -> None:
    token = create_link(olga)
    assert redeem(token) == olga
    with pytest.raises(InvalidLink):
        redeem(token)


def test_only_the_hash_of_a_token_is_stored(olga: User) -> None:
    token = create_link(olga)
    assert token not in str(SignInLink.objects.values())


@pytest.mark.parametrize("token", ["", "x", "a" * 500, "\0"])
def test_an_unknown_link_is_invalid(olga: User, token: str) -> None:
    with pytest.raises(InvalidLink):
        redeem(token)


def test_a_link_lives_as_long_as_the_setting_says(olga: User) -> None:
    create_link(olga)
    link = SignInLink.objects.get()
    assert link.expires_at - link.created_at == timedelta(minutes=30)
    with override_settings(ROLLCAST={"SIGN_IN_LINK_MINUTES": 5}):
        create_link(olga)
    newest = SignInLink.objects.latest("pk")
    assert newest.expires_at - newest.created_at == timedelta(minutes=5)


def test_an_expired_link_is_invalid(olga: User) -> None:
    token = create_link(olga)
    SignInLink.objects.update(expires_at=timezone.now())
    with pytest.raises(InvalidLink):
        redeem(token)


def test_a_link_of_somebody_who_left_is_invalid(olga: User) -> None:
    token = create_link(olga)
    get_user_model().objects.update(is_active=False)
    with pytest.raises(InvalidLink):
        redeem(token)


@pytest.mark.django_db(transaction=True)
def test_of_two_clicks_at_once_one_signs_in(olga: User) -> None:
    token = create_link(olga)
    outcomes: list[str] = []
    together = threading.Barrier(2, timeout=10)

    def click() -> None:
        try:
            together.wait()
            redeem(token)
            outcomes.append("in")
        except InvalidLink:
            outcomes.append("invalid")
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(outcomes) == ["in", "invalid"]


def test_opening_the_link_uses_nothing_up_and_the_button_signs_in(olga: User) -> None:
    token = create_link(olga)
    client = Client(enforce_csrf_checks=True)
    page = client.get(path(token))
    assert page.status_code == 200
    assert client.head(path(token)).status_code == 405
    assert SignInLink.objects.get().used_at is None
    assert page["Referrer-Policy"] == "no-referrer"
    assert "no-store" in page["Cache-Control"]
    answer = client.post(path(token), {"csrfmiddlewaretoken": page.context["csrf_token"]})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.session["_auth_user_id"] == str(olga.pk)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.verb, entry.detail) == ("user:olga", "user.signed_in", {"by": "link"})


def test_a_post_from_elsewhere_uses_nothing_up(olga: User) -> None:
    token = create_link(olga)
    assert Client(enforce_csrf_checks=True).post(path(token)).status_code == 403
    assert SignInLink.objects.get().used_at is None


def test_a_used_link_says_how_to_get_another(olga: User) -> None:
    token = create_link(olga)
    redeem(token)
    client = Client()
    answer = client.post(path(token))
    assert answer.status_code == 410
    assert "rollcast sign-in" in answer.content.decode()
    assert "_auth_user_id" not in client.session
