"""A misspelt key of a request is refused: in silence it would mean the default, all hosts instead of one."""

from __future__ import annotations

import pytest
from django.test import Client

from rollcast.rollouts.queries import rollout_list


@pytest.mark.usefixtures("fleet", "recipes")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"recipe": "hello", "params": {"version": "1.2"}, "selecter": "name=us-01"}, "selecter"),
        ({"recipe": "hello", "parameters": {"version": "1.2"}}, "parameters"),
    ],
)
@pytest.mark.parametrize("path", ["/api/rollouts", "/api/rollouts/preview"])
def test_an_unknown_key_is_named_and_nothing_starts(
    client: Client, path: str, body: dict[str, object], field: str
) -> None:
    answer = client.post(path, body, content_type="application/json")
    assert answer.status_code == 422
    [problem] = answer.json()["problems"]
    assert (problem["field"], problem["message"]) == (field, "This key is unknown.")
    assert "openapi.json" in problem["cure"]
    assert rollout_list()["total"] == 0
