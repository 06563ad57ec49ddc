"""What else shuts pages and API: the table of all doors is in tests/doors."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from rollcast.rollouts.actions import StartRequest, start_rollout


@pytest.fixture
def rollout_id(fleet: None) -> int:
    return start_rollout(StartRequest("hello", {"version": "1.2"}), "user:olga")


def test_api_change_with_a_token_passes(rollout_id: int, operator: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator)
    page = browser.get(f"/rollouts/{rollout_id}/").content.decode()
    token = page.split('data-csrf="')[1].split('"')[0]
    response = browser.post(
        f"/api/rollouts/{rollout_id}/pause", headers={"x-csrftoken": token, "origin": "http://testserver"}
    )
    assert response.status_code == 202


def test_signed_out_htmx_request_moves_the_whole_page(fleet: None) -> None:
    response = Client().get("/rollouts/new/preview", headers={"hx-request": "true"})
    assert response.headers["HX-Redirect"].startswith("/sign-in/")


def test_rollout_page_forbids_text_to_become_markup(client: Client, rollout_id: int) -> None:
    policy = client.get(f"/rollouts/{rollout_id}/")["Content-Security-Policy"]
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert b"htmx" not in client.get(f"/rollouts/{rollout_id}/").content
