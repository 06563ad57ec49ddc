"""`log.txt`: every stored line once, in order, whole, with its host; from one target or from all."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

import livefeed
from livefeed import Chunk
from rollcast.console import log_text
from rollcast.rollouts.actions import StartRequest, start_rollout
from rollcast.rollouts.keys import feed_key
from rollcast.rollouts.queries import rollout_page

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


@pytest.mark.parametrize(
    ("keep", "language", "said", "rest"),
    [
        # "half " has been taken along: what is left of its line stands alone.
        (3, "en", "# %d older events are no longer kept\n", ALL.split("a2\n")[1].replace("half ", "")),
        (1, "zh-hans", "# %d 条更早的事件已不再保留\n", "eu-02 s0/a1 no end\n"),
        (0, "en", "# %d older events are no longer kept\n", ""),
    ],
)
def test_what_is_no_longer_kept_is_said(
    client: Client, rollout_id: int, keep: int, language: str, said: str, rest: str
) -> None:
    pruned = livefeed.prune(feed_key(rollout_id), keep=keep)
    headers = {"Accept-Language": language}
    for query, expected in (("", rest), ("?target=eu-01", "".join(re.findall(r"eu-01.*\n", rest)))):
        body = client.get(f"/api/rollouts/{rollout_id}/log.txt{query}", headers=headers).getvalue().decode()
        assert STAMP.sub("", body) == said % pruned.events + expected


def test_what_goes_while_the_text_is_made_is_said_where_it_is_missing(
    client: Client, rollout_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_text, "PAGE_EVENTS", 4)
    head = livefeed.head(feed_key(rollout_id)).head
    read = livefeed.read

    def read_and_prune(*args: Any, **fields: Any) -> Any:
        page = read(*args, **fields)
        if page.to >= head - 3:  # the begun line's first piece has been read
            livefeed.prune(feed_key(rollout_id), keep=1)
        return page

    monkeypatch.setattr(livefeed, "read", read_and_prune, raising=False)
    body = "".join(log_text.log_lines(rollout_id))
    hole = re.compile(
        r"eu-01 s0/a1 half \n# [12] older events? (is|are) no longer kept\neu-02 s0/a1 no end\n$"
    )
    assert hole.search(STAMP.sub("", body)), body


def test_a_hosts_page_leads_to_what_it_wrote(client: Client, rollout_id: int) -> None:
    page = client.get("/fleet/eu-02/").content.decode()
    (link,) = re.findall(r'href="([^"]*log\.txt[^"]*)"', page)
    response = client.get(link)
    assert STAMP.sub("", response.getvalue().decode()) == "eu-02 s0/a1 b\\xff\neu-02 s0/a1 no end\n"
    assert response["Content-Disposition"] == f'attachment; filename="rollout-{rollout_id}-eu-02.txt"'


def test_unknown_target(client: Client, rollout_id: int) -> None:
    assert client.get(f"/api/rollouts/{rollout_id}/log.txt?target=nope").status_code == 404


@pytest.mark.django_db(transaction=True)
async def test_streamed_over_asgi(rollout_id: int, operator: User) -> None:
    browser = AsyncClient()
    await browser.aforce_login(operator)
    response: Any = await browser.get(f"/api/rollouts/{rollout_id}/log.txt")
    body = b"".join([block async for block in response])
    assert STAMP.sub("", body.decode()) == ALL
