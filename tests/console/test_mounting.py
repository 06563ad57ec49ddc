"""The pages within somebody else's project: its prefix, sign-in, CSRF header, middleware and transactions."""

from __future__ import annotations

import json
import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from rollcast.rollouts.actions import StartRequest, start_rollout

pytestmark = [pytest.mark.urls("tests.console.elsewhere"), pytest.mark.django_db]


@pytest.fixture(autouse=True)
def foreign(settings: Settings) -> None:
    """What the other project has decided."""
    settings.LOGIN_URL = "/enter/?via=office"
    settings.CSRF_HEADER_NAME = "HTTP_X_OFFICE_TOKEN"
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]


@pytest.fixture
def rollout_id(fleet: None) -> int:
    """A rollout that nobody works on."""
    return start_rollout(StartRequest("hello", {"version": "1.2"}), "user:olga")


def test_whoever_is_not_signed_in_goes_to_the_projects_own_sign_in(settings: Settings) -> None:
    for url in ("/enter/?via=office", "enter"):
        settings.LOGIN_URL = url
        answer = Client().get("/rollouts/rollouts/")
        assert answer.status_code == 302
        assert re.fullmatch(r"/enter/\?(via=office&)?next=/rollouts/rollouts/", answer["Location"])


def test_a_part_of_a_page_moves_the_whole_page_to_the_sign_in() -> None:
    answer = Client().get("/rollouts/", headers={"HX-Request": "true"})
    assert answer["HX-Redirect"].startswith("/enter/?via=office&next=")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["api/hosts", "livefeed/history?feed=rollout/1"])
def test_programs_are_told_in_json_and_not_redirected(path: str) -> None:
    answer = Client().get(f"/rollouts/{path}")
    assert (answer.status_code, answer.json()) == (401, {"error": "sign_in"})


def test_the_rollout_page_knows_its_addresses(client: Client, rollout_id: int) -> None:
    page = client.get(f"/rollouts/rollouts/{rollout_id}/").content.decode()
    known = dict(re.findall(r'data-([\w-]+-(?:url|header))="([^"]*)"', page))
    api = f"/rollouts/api/rollouts/{rollout_id}"
    assert known == {
        "history-url": "/rollouts/livefeed/history",
        "status-url": "/rollouts/api/status",
        "sign-in-url": f"/enter/?via=office&amp;next=/rollouts/rollouts/{rollout_id}/",
        **{f"{verb}-url": f"{api}/{verb}" for verb in ("pause", "resume", "cancel", "accept", "retry")},
        "csrf-header": "X-Office-Token",
    }


def test_a_verb_is_taken_with_the_projects_csrf_header(operator: User, rollout_id: int) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator)
    page = browser.get(f"/rollouts/rollouts/{rollout_id}/").content.decode()
    token = re.findall(r'data-csrf="([^"]+)"', page)[0]
    pause = f"/rollouts/api/rollouts/{rollout_id}/pause"
    assert browser.post(pause, headers={"X-CSRFToken": token}).status_code == 403
    assert browser.post(pause, headers={"X-Office-Token": token}).status_code == 202


def test_the_words_of_the_modules_need_no_catalogue_of_the_project(client: Client) -> None:
    page = client.get("/rollouts/", headers={"accept-language": "zh-hans"}).content.decode()
    address = re.findall(r'<script src="([^"]*jsi18n/)"', page)[0]
    assert address == "/rollouts/jsi18n/"
    words = Client().get(address, headers={"accept-language": "zh-hans"}).content.decode()
    assert f'"Pause": {json.dumps("暂停")}' in words


def test_no_link_to_a_sign_out_or_language_that_the_project_does_not_have(client: Client) -> None:
    page = client.get("/rollouts/").content.decode()
    assert re.findall(r'<form method="post" action="([^"]*)"', page) == []


@pytest.mark.django_db(transaction=True)
def test_a_project_with_atomic_requests_reads_history(
    client: Client, rollout_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    answer = client.get(f"/rollouts/livefeed/history?feed=rollout/{rollout_id}")
    assert (answer.status_code, answer.json()["feed"]) == (200, f"rollout/{rollout_id}")
