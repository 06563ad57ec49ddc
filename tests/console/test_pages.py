"""Every page renders, in both languages, and says what an operator looks for."""

from __future__ import annotations

import pytest
from django.test import Client

from rollcast.rollouts.actions import StartRequest, start_rollout

PAGES = (
    "/",
    "/fleet/",
    "/fleet/?selector=zone%3Deu",
    "/fleet/import",
    "/fleet/eu-01/",
    "/live/",
    "/recipes/",
    "/recipes/hello/",
    "/recipes/wrong/",
    "/rollouts/",
    "/rollouts/?state=open",
    "/rollouts/new/",
    "/rollouts/new/?recipe=hello",
    "/rollouts/new/preview?recipe=hello&parameters.version=1.2",
    "/rollouts/{id}/",
)


@pytest.fixture
def rollout_id(fleet: None) -> int:
    """A rollout over the two hosts in zone eu."""
    return start_rollout(StartRequest("hello", {"version": "1.2"}), "user:olga")


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("path", PAGES)
def test_page_renders(client: Client, rollout_id: int, path: str, language: str) -> None:
    response = client.get(path.format(id=rollout_id), headers={"accept-language": language})
    assert response.status_code == 200
    text = response.content.decode()
    assert "style=" not in text
    assert "onclick=" not in text
