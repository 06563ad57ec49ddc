"""The live feed's figures, on the page and from the API."""

from __future__ import annotations

from dataclasses import asdict
from typing import get_args
from weakref import WeakKeyDictionary

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client

from livefeed import connections, reader
from livefeed.connections import Cap
from livefeed.metrics import snapshot
from livefeed.protocol import CloseCode
from rollcast.console import live
from tests.livefeed.peer import Peer


@pytest.fixture(autouse=True)
def no_other_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (connections, reader):
        monkeypatch.setattr(module, "_by_loop", WeakKeyDictionary())


@pytest.mark.django_db(transaction=True)
async def test_page_and_api_tell_what_is_and_what_was(client: Client, operator: User) -> None:
    get = sync_to_async(client.get)
    async with Peer(operator) as peer:
        await peer.say(t="launch")
        assert await peer.close_code() == 4500
    async with Peer(operator):
        told = (await get("/api/live")).json()
        expected = asdict(snapshot())
        assert told == expected | {"closes": {"4500": 1}}
        assert told["connections"] == {"socket": 1}
        page = (await get("/live/")).content.decode()
        assert "1 WebSocket · 0 Event stream" in page
        assert "did not speak our protocol" in page
        assert "1 connection to open pages" in (await get("/")).content.decode()


def test_a_process_that_serves_nobody_has_figures_too(client: Client) -> None:
    assert client.get("/api/live").json()["since_ms"] is None
    page = client.get("/live/", headers={"accept-language": "zh-hans"}).content.decode()
    assert "0 WebSocket" in page
    assert "最大滞后" in page


def test_every_code_that_is_counted_has_words() -> None:
    assert {int(code) for code in CloseCode} - set(live.CLOSES) == set()
    assert set(live.CAPS) == set(get_args(Cap))
