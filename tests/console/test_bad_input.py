"""What pages and API say of bad input besides the table of tests/doors; nothing half-made stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from rollcast.access.models import AuditEntry
from rollcast.fleet.models import Host
from rollcast.rollouts.queries import rollout_list
from tests.doors.bad_starts import GOOD, STARTS, BadStart

per_start = pytest.mark.parametrize("bad", STARTS, ids=lambda bad: bad.name)


def typed(body: dict[str, Any]) -> dict[str, str]:
    """The same as the page's form sends it."""
    settings = {name: str(value) for name, value in body.items() if name not in ("recipe", "params")}
    return settings | {f"parameters.{name}": str(value) for name, value in body["params"].items()}


@pytest.fixture(autouse=True)
def _nothing_stays(fleet: None) -> Any:
    before = (Host.objects.count(), AuditEntry.objects.count())
    yield
    assert rollout_list()["total"] == 0
    assert (Host.objects.count(), AuditEntry.objects.count()) == before


@per_start
def test_the_preview_refuses_like_the_start(client: Client, bad: BadStart) -> None:
    response = client.post("/api/rollouts/preview", {**GOOD, **bad.given}, content_type="application/json")
    assert response.status_code == 422
    assert [problem["field"] for problem in response.json()["problems"]] == [bad.place]


@per_start
def test_preview_marks_the_field_and_offers_nothing(client: Client, bad: BadStart) -> None:
    text = client.get(
        "/rollouts/new/preview", {"recipe": "hello", **typed({**GOOD, **bad.given})}
    ).content.decode()
    place = f'id="field-{bad.place.replace(".", "-")}-said" hx-swap-oob="true"'
    assert "problem-cure" in text.split(place)[1].split("</div>")[0]
    assert "preview-waves" not in text


def test_several_problems_come_at_once(client: Client) -> None:
    body = {"recipe": "hello", "params": {}, "selector": "zone=moon", "failure_budget": "x"}
    found = client.post("/api/rollouts", body, content_type="application/json").json()["problems"]
    assert {problem["field"] for problem in found} == {"parameters.version", "selector", "failure_budget"}


def test_parallel_that_is_no_number(client: Client) -> None:
    response = client.post("/rollouts/new/?recipe=hello", {"parameters.version": "1.2", "parallel": "many"})
    assert response.status_code == 422
    assert "“many” is no whole number." in response.content.decode()
    api = client.post("/api/rollouts", {**GOOD, "parallel": "many"}, content_type="application/json")
    assert (api.status_code, api.json()["problems"][0]["field"]) == (422, "parallel")


def test_unknown_key_in_a_recipe(client: Client, recipes: Path) -> None:
    text = (recipes / "wrong.yml").read_text()
    body = {"text": text, "filename": "wrong.yml"}
    found = client.post("/api/recipes/validate", body, content_type="application/json").json()["problems"][0]
    assert (found["file"], found["line"], found["field"]) == ("wrong.yml", 6, "steps[0].timeot")
    assert "timeout" in found["cure"]
    for path in ("/recipes/", "/recipes/wrong/"):
        page = client.get(path).content.decode()
        assert "line 6, steps[0].timeot" in page
        assert escape(found["message"]) in page
    listed = {one["name"]: one for one in client.get("/api/recipes").json()}
    assert listed["wrong"]["problems"][0]["line"] == 6
    assert listed["hello"]["problems"] == []


def test_wrong_and_unknown_recipes_cannot_be_started(client: Client) -> None:
    for name in ("wrong", "nope"):
        api = client.post("/api/rollouts", {**GOOD, "recipe": name}, content_type="application/json")
        assert api.status_code == 422
        assert client.post(f"/rollouts/new/?recipe={name}", typed(GOOD)).status_code == 404


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("name,address\neu-09,10.0.0.9\neu-10,\n", 3, "address"),
        ("name,adress\neu-09,10.0.0.9\n", 1, "adress"),
        ("name,address,port\neu-09,10.0.0.9,70000\n", 2, "70000"),
    ],
)
def test_import_is_whole_or_nothing(client: Client, text: str, line: int, says: str) -> None:
    api = client.post(
        "/api/hosts/import", {"filename": "a.csv", "text": text}, content_type="application/json"
    )
    found = api.json()["problems"][0]
    assert (api.status_code, found["file"], found["line"]) == (422, "a.csv", line)
    assert says in found["message"] + str(found["field"])
    page = client.post("/fleet/import", {"text": text, "kind": "csv"})
    assert page.status_code == 422
    assert f"pasted.csv, line {line}" in page.content.decode()
    assert escape(text.splitlines()[-1]) in page.content.decode()  # what was typed is still there


def test_trusting_a_key_that_was_never_shown(client: Client) -> None:
    api = client.post("/api/hosts/eu-01/trust", {}, content_type="application/json")
    assert (api.status_code, api.json()["problems"][0]["code"]) == (422, "key_none_pending")
    page = client.post("/fleet/eu-01/trust", {"fingerprint": "SHA256:nope"})
    assert page.status_code == 422
    assert "never showed a key" in page.content.decode()


def test_body_that_is_no_json_and_body_of_the_wrong_shape(client: Client) -> None:
    broken = client.post("/api/rollouts", "{", content_type="application/json")
    assert (broken.status_code, broken.json()["error"]) == (400, "bad_request")
    shape = client.post("/api/rollouts", {"params": {}}, content_type="application/json")
    assert (shape.status_code, shape.json()["problems"][0]["field"]) == (422, "recipe")


def test_selector_with_a_syntax_error_on_the_fleet_page(client: Client) -> None:
    page = client.get("/fleet/", {"selector": "zone=eu,,us"})
    assert page.status_code == 422
    assert "problem-cure" in page.content.decode()
    assert client.get("/api/hosts", {"selector": "zone=eu,,us"}).status_code == 422


def test_problems_are_told_in_the_readers_language(client: Client) -> None:
    chinese = client.post(
        "/api/rollouts",
        {**GOOD, "selector": "zone=moon"},
        content_type="application/json",
        headers={"accept-language": "zh-hans"},
    )
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese.json()["problems"][0]["message"])
