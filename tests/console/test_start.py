"""From the form, or from the API, to a rollout: the same request, the same rows, once."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from rollcast.rollouts.queries import rollout_list, rollout_page

pytestmark = pytest.mark.usefixtures("fleet")
FORM = {
    "parameters.version": "1.2",
    "parameters.players": "7",
    "parameters.loud": "true",
    "selector": "zone=eu,us",
    "waves": "1, rest",
    "parallel": "2",
    "failure_budget": "34%",
}
BODY = {
    "recipe": "hello",
    "params": {"version": "1.2", "players": 7, "loud": True},
    "selector": "zone=eu,us",
    "waves": "1, rest",
    "parallel": 2,
    "failure_budget": "34%",
}


def told(rollout_id: int) -> dict[str, Any]:
    """What the page of a rollout shows, without what differs between any two."""
    page = rollout_page(rollout_id)
    rollout = {k: v for k, v in page["rollout"].items() if k != "id" and not k.endswith("_ms")}
    return {"rollout": rollout, "targets": [(t["name"], t["wave"]) for t in page["targets"]]}


def test_page_and_api_start_the_same(client: Client) -> None:
    by_page = client.post("/rollouts/new/?recipe=hello", FORM)
    assert by_page.status_code == 302
    by_api = client.post("/api/rollouts", BODY, content_type="application/json")
    assert by_api.status_code == 202
    first, second = int(by_page["Location"].strip("/").split("/")[-1]), by_api.json()["id"]
    assert by_api.json()["url"] == f"/rollouts/{second}/"
    assert told(first) == told(second)
    assert told(first)["rollout"]["params"]["loud"] == "true"
    assert told(first)["rollout"]["created_by"] == "user:olga"
    assert told(first)["rollout"]["failure_limit"] == 2


def test_double_click_starts_one(client: Client) -> None:
    form = {**FORM, "idempotency_key": "k1"}
    first = client.post("/rollouts/new/?recipe=hello", form)
    second = client.post("/rollouts/new/?recipe=hello", form)
    third = client.post("/api/rollouts", {**BODY, "idempotency_key": "k1"}, content_type="application/json")
    assert first["Location"] == second["Location"] == third.json()["url"]
    assert rollout_list()["total"] == 1


def test_each_form_has_a_key_of_its_own(client: Client) -> None:
    def key() -> str:
        return (
            client.get("/rollouts/new/?recipe=hello")
            .content.decode()
            .split('idempotency_key" value="')[1][:32]
        )

    assert key() != key()


def test_form_is_filled_from_the_recipe(client: Client) -> None:
    text = client.get("/rollouts/new/?recipe=hello").content.decode()
    for value in ('value="zone=eu"', 'value="1, rest"', 'value="5"'):
        assert value in text


def test_preview_shows_hosts_by_wave_and_starts_nothing(client: Client) -> None:
    text = client.get("/rollouts/new/preview", {"recipe": "hello", **FORM}).content.decode()
    first, second = text.split("<li>")[1:3]
    assert "eu-01" in first
    assert "eu-02" not in first
    assert "eu-02" in second
    assert "us-01" in second
    assert "more than 2 hosts fail" in text
    assert rollout_list()["total"] == 0
    api = client.post("/api/rollouts/preview", BODY, content_type="application/json").json()
    assert (api["waves"], api["failure_limit"]) == ([["eu-01"], ["eu-02", "us-01"]], 2)


def test_verbs_by_api_and_what_the_state_forbids(client: Client) -> None:
    rollout_id = client.post("/api/rollouts", BODY, content_type="application/json").json()["id"]

    def ask(verb: str) -> int:
        response = client.post(f"/api/rollouts/{rollout_id}/{verb}", content_type="application/json")
        if response.status_code == 409:
            assert response.json()["problems"][0]["cure"]
        return response.status_code

    assert [ask(verb) for verb in ("resume", "pause", "pause", "resume", "retry", "cancel", "cancel")] == [
        409,
        202,
        409,
        202,
        409,
        202,
        409,
    ]


@pytest.mark.parametrize("path", ["", "/pause", "/retry", "/log.txt"])
def test_rollout_that_does_not_exist(client: Client, path: str) -> None:
    method = "GET" if path in ("", "/log.txt") else "POST"
    response = client.generic(method, f"/api/rollouts/999{path}")
    assert (response.status_code, response.json()) == (404, {"error": "not_found"})
    assert client.get("/rollouts/999/").status_code == 404


def test_a_form_that_has_started_one_says_so_before_it_starts_another(client: Client) -> None:
    form = {**FORM, "idempotency_key": "k1"}
    assert client.post("/rollouts/new/?recipe=hello", form).status_code == 302
    again = client.post("/rollouts/new/?recipe=hello", {**form, "parallel": "1"})
    assert again.status_code == 409
    assert "was started with this key, but with other settings" in again.content.decode()
    assert 'idempotency_key" value="k1"' not in again.content.decode()
    by_api = client.post(
        "/api/rollouts", {**BODY, "parallel": 1, "idempotency_key": "k1"}, content_type="application/json"
    )
    assert by_api.status_code == 409
    assert [problem["code"] for problem in by_api.json()["problems"]] == ["key_used"]
    assert rollout_list()["total"] == 1
