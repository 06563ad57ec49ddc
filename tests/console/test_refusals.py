"""Every page and API path is shut: not signed in, without the right, from a foreign page, without a token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver

from rollcast.console.urls import urlpatterns
from rollcast.rollouts.actions import StartRequest, start_rollout
from rollcast.rollouts.queries import rollout_list

FOREIGN = "https://evil.example"
# Route of the URLconf -> an address and the methods that it serves.
DOORS = {
    "": ("/", "GET"),
    "fleet/": ("/fleet/", "GET"),
    "fleet/import": ("/fleet/import", "GET POST"),
    "fleet/<str:name>/": ("/fleet/eu-01/", "GET"),
    "fleet/<str:name>/look": ("/fleet/eu-01/look", "POST"),
    "fleet/<str:name>/trust": ("/fleet/eu-01/trust", "POST"),
    "fleet/<str:name>/refuse": ("/fleet/eu-01/refuse", "POST"),
    "recipes/": ("/recipes/", "GET"),
    "recipes/<str:name>/": ("/recipes/hello/", "GET"),
    "rollouts/": ("/rollouts/", "GET"),
    "rollouts/new/": ("/rollouts/new/?recipe=hello", "GET POST"),
    "rollouts/new/preview": ("/rollouts/new/preview?recipe=hello", "GET"),
    "rollouts/<int:rollout_id>/": ("/rollouts/{id}/", "GET"),
    "api/openapi.json": ("/api/openapi.json", "GET"),
    "api/hosts": ("/api/hosts", "GET"),
    "api/hosts/import": ("/api/hosts/import", "POST"),
    "api/hosts/<name>/look": ("/api/hosts/eu-01/look", "POST"),
    "api/hosts/<name>/trust": ("/api/hosts/eu-01/trust", "POST"),
    "api/recipes": ("/api/recipes", "GET"),
    "api/recipes/validate": ("/api/recipes/validate", "POST"),
    "api/rollouts/preview": ("/api/rollouts/preview", "POST"),
    "api/rollouts": ("/api/rollouts", "GET POST"),
    "api/rollouts/<int:rollout_id>": ("/api/rollouts/{id}", "GET"),
    "api/rollouts/<int:rollout_id>/pause": ("/api/rollouts/{id}/pause", "POST"),
    "api/rollouts/<int:rollout_id>/resume": ("/api/rollouts/{id}/resume", "POST"),
    "api/rollouts/<int:rollout_id>/cancel": ("/api/rollouts/{id}/cancel", "POST"),
    "api/rollouts/<int:rollout_id>/retry": ("/api/rollouts/{id}/retry", "POST"),
    "api/rollouts/<int:rollout_id>/log.txt": ("/api/rollouts/{id}/log.txt", "GET"),
}
# The root of the API is no operation: it answers 404 to everybody.
NO_DOORS = {"api/"}


@dataclass(frozen=True)
class Door:
    """One address and one method."""

    path: str
    method: str

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/api/")


ALL = [Door(path, method) for path, methods in DOORS.values() for method in methods.split()]
CHANGES = [door for door in ALL if door.method == "POST"]
per_door = pytest.mark.parametrize("door", ALL, ids=lambda door: f"{door.method} {door.path}")


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    """Every route of a URLconf."""
    for one in patterns:
        route = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from routes(one.url_patterns, route)
        else:
            yield route


@pytest.fixture
def rollout_id(fleet: None) -> int:
    return start_rollout(StartRequest("hello", {"version": "1.2"}), "user:olga")


def test_the_table_knows_every_door() -> None:
    assert set(routes(urlpatterns)) - NO_DOORS == set(DOORS)


@per_door
def test_not_signed_in(rollout_id: int, door: Door) -> None:
    response = Client().generic(door.method, door.path.format(id=rollout_id))
    if door.is_api:
        assert (response.status_code, response.json()) == (401, {"error": "sign_in"})
    else:
        assert response.status_code == 302
        assert response["Location"].startswith("/sign-in/?next=")


@per_door
def test_signed_in_without_the_right(rollout_id: int, door: Door, powerless: Client) -> None:
    response = powerless.generic(door.method, door.path.format(id=rollout_id))
    assert response.status_code == 403
    assert b"Say hello" not in response.content
    assert b"127.0.0.1" not in response.content


@per_door
def test_from_a_foreign_page(rollout_id: int, door: Door, operator: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator)
    path = door.path.format(id=rollout_id)
    response = browser.generic(door.method, path, headers={"origin": FOREIGN})
    assert response.status_code == 403


@pytest.mark.parametrize("door", CHANGES, ids=lambda door: door.path)
def test_change_without_a_token(rollout_id: int, door: Door, operator: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator)
    response = browser.generic(door.method, door.path.format(id=rollout_id), content_type="application/json")
    assert response.status_code == 403
    assert rollout_list()["total"] == 1


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
