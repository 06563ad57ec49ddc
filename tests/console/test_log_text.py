"""`log.txt`: every stored line once, in order, whole, with its host; from one target or from all."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

import livefeed
from livefeed import Chunk
from rollcast.rollouts.actions import StartRequest, start_rollout
from rollcast.rollouts.queries import feed_key, rollout_page

STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z |^- ", re.MULTILINE)


@pytest.fixture
def rollout_id(fleet: None) -> int:
    """Two hosts; a line in pieces, a line with flags, a line without its end."""
    rollout_id = start_rollout(StartRequest("hello", {"version": "1.2"}), "user:olga")
    first, second = (target["lane"] for target in rollout_page(rollout_id)["targets"])
    one, two = f"{first}/s0/a1", f"{second}/s0/a1"
    chunks = [
        Chunk(first, "line", ["a1", "a2"], origin=one, before=0, after=6),
        Chunk(first, "cont", ["half "], origin=one, before=6, after=11),
        Chunk(second, "line", [{"text": "b\\xff", "flags": ["bytes"]}], origin=two, before=0, after=3),
        Chunk(first, "line", ["whole"], origin=one, before=11, after=17),
        Chunk(second, "cont", ["no end"], origin=two, before=3, after=9),
    ]
    for chunk in chunks:
        livefeed.append(feed_key(rollout_id), [chunk])
    return rollout_id


ALL = "eu-01 s0/a1 a1\neu-01 s0/a1 a2\neu-02 s0/a1 b\\xff\neu-01 s0/a1 half whole\neu-02 s0/a1 no end\n"


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", ALL), ("?target=eu-02", "eu-02 s0/a1 b\\xff\neu-02 s0/a1 no end\n")],
)
def test_lines(client: Client, rollout_id: int, query: str, expected: str) -> None:
    response = client.get(f"/api/rollouts/{rollout_id}/log.txt{query}")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert STAMP.sub("", response.getvalue().decode()) == expected


def test_unknown_target(client: Client, rollout_id: int) -> None:
    assert client.get(f"/api/rollouts/{rollout_id}/log.txt?target=nope").status_code == 404


@pytest.mark.django_db(transaction=True)
async def test_streamed_over_asgi(rollout_id: int, operator: User) -> None:
    browser = AsyncClient()
    await browser.aforce_login(operator)
    response: Any = await browser.get(f"/api/rollouts/{rollout_id}/log.txt")
    body = b"".join([block async for block in response])
    assert STAMP.sub("", body.decode()) == ALL
