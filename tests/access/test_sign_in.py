"""The sign-in page, signing out, and what the admin site may do with the record."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.test import Client, override_settings

from rollcast.access.links import create_link
from rollcast.access.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def olga() -> None:
    get_user_model().objects.create_user("olga", password="correct horse")


def sign_in(client: Client, **fields: str) -> tuple[int, str]:
    answer = client.post("/sign-in/", {"username": "olga", "password": "correct horse", **fields})
    return answer.status_code, answer.headers.get("Location", "")


def test_name_and_password_sign_in() -> None:
    client = Client()
    assert client.get("/sign-in/").status_code == 200
    assert sign_in(client) == (302, "/")
    assert "_auth_user_id" in client.session
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.verb, entry.detail) == ("user:olga", "user.signed_in", {"by": "password"})


@pytest.mark.parametrize("fields", [{"password": "wrong"}, {"username": "nobody"}, {"username": "OLGA"}])
def test_a_wrong_name_and_a_wrong_password_say_the_same(fields: dict[str, str]) -> None:
    client = Client()
    answer = client.post("/sign-in/", {"username": "olga", "password": "correct horse", **fields})
    assert answer.status_code == 200
    assert "The name and password do not match." in answer.content.decode()
    assert "_auth_user_id" not in client.session
    assert not AuditEntry.objects.exists()


def test_one_comes_back_to_where_one_wanted_to_go() -> None:
    assert sign_in(Client(), next="/rollouts/7/?host=eu-01") == (302, "/rollouts/7/?host=eu-01")


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_to_another_site(target: str) -> None:
    assert sign_in(Client(), next=target) == (302, "/")


def test_what_was_typed_is_shown_as_text() -> None:
    answer = Client().post("/sign-in/?next=%22%3E%3Cb%3E", {"username": '"><b>', "password": "x"})
    assert "<b>" not in answer.content.decode()


def test_signing_out_is_a_post() -> None:
    client = Client()
    sign_in(client)
    assert client.get("/sign-out/").status_code == 405
    assert "_auth_user_id" in client.session
    answer = client.post("/sign-out/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/sign-in/")
    assert "_auth_user_id" not in client.session


def test_a_back_office_brings_its_own_frame(tmp_path: object) -> None:
    templates = {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.locmem.Loader",
                    {"office.html": "OFFICE{% block content %}{% endblock %}"},
                ),
                "django.template.loaders.app_directories.Loader",
            ],
            "context_processors": ["django.contrib.auth.context_processors.auth"],
        },
    }
    with override_settings(ROLLCAST={"BASE_TEMPLATE": "office.html"}, TEMPLATES=[templates]):
        link = f"/sign-in/link/{create_link(get_user_model().objects.get())}/"
        for page in (Client().get("/sign-in/"), Client().get(link), Client().post("/sign-in/link/x/")):
            assert page.content.decode().startswith("OFFICE")


def test_the_admin_site_shows_the_record_and_changes_nothing() -> None:
    user = get_user_model().objects.create_superuser("root", "", "secret")
    create_link(user)
    client = Client()
    client.force_login(user)
    entry = AuditEntry.objects.create(actor="cli:olga", verb="hosts.imported", subject="hosts")
    base = "/admin/rollcast_access/"
    for page in ("auditentry/", "signinlink/", f"auditentry/{entry.pk}/change/"):
        assert client.get(base + page).status_code == 200, page
    for page in ("auditentry/add/", "signinlink/add/", f"auditentry/{entry.pk}/delete/"):
        assert client.get(base + page).status_code == 403, page
    assert client.post(f"{base}auditentry/{entry.pk}/change/", {"actor": "cli:paul"}).status_code == 403


def test_who_is_signed_in_reads_the_truth_about_their_right() -> None:
    client = Client()
    sign_in(client)
    assert "olga, who may not operate rollouts" in client.get("/sign-in/").content.decode()
    get_user_model().objects.create_superuser("root", password="correct horse")
    sign_in(client, username="root")
    page = client.get("/sign-in/").content.decode()
    assert "You are signed in as root. Here you can sign in as somebody else." in page
    assert "may not" not in page


class Badges(ModelBackend):
    """How another project signs people in."""


@override_settings(AUTHENTICATION_BACKENDS=["tests.access.test_sign_in.Badges"])
def test_a_link_signs_in_where_the_project_has_a_backend_of_its_own() -> None:
    client = Client()
    token = create_link(get_user_model().objects.get(username="olga"))
    client.post(f"/sign-in/link/{token}/")
    page = client.get("/sign-in/").content.decode()
    assert "You are signed in as olga" in page
    assert 'maxlength="150"' in page
