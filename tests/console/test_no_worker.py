"""A rollout that nobody carries out must say so, on its page, on the first page and at the command line."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import Client

from rollcast.rollouts import leases
from rollcast.rollouts.actions import StartRequest, start_rollout

SAID = "No worker is running"


@pytest.mark.usefixtures("fleet", "recipes")
def test_pages_say_it_until_a_worker_lives(client: Client, settings: Any) -> None:
    # The worker lives for as long as the pages take.
    settings.ROLLCAST = {**settings.ROLLCAST, "LEASE_TRUST_S": 600.0}
    assert SAID not in client.get("/").content.decode()  # nothing is to be done
    number = start_rollout(StartRequest("hello", {"version": "1.2"}), "user:olga")
    pages = ("/", f"/rollouts/{number}/")
    assert [SAID in client.get(page).content.decode() for page in pages] == [True, True]
    leases.register("w1", time.time(), {})
    assert [SAID in client.get(page).content.decode() for page in pages] == [False, False]
