"""A ring for nothing brings nothing."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from pytest_django import Settings

import livefeed
from livefeed import reader
from livefeed.doorbell import doorbell
from tests.livefeed.oracle import write
from tests.livefeed.peer import Peer, assert_is_log, events, off_loop
from tests.livefeed.watched import Gauge

pytestmark = pytest.mark.django_db(transaction=True)

NEVER_S = 3600


async def test_a_ring_before_a_roll_back_brings_no_phantom_and_no_busy_loop(
    olga: User, bell: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mistake that `ring_after_commit` is there to prevent."""
    if bell != "muted":
        settings.LIVEFEED = settings.LIVEFEED | {"SAFETY_POLL_S": NEVER_S, "DATA_VERSION_POLL_S": NEVER_S}
    looks = Gauge()
    monkeypatch.setattr(reader, "_look_at", looks.of(reader._look_at))
    rolled_back = 20

    async with Peer(olga) as peer:
        await off_loop(write, "f", 10)
        await peer.sub("f")
        heard = await peer.hear_until("hb")
        before = looks.calls
        for n in range(rolled_back):
            await off_loop(_ring_and_roll_back)
            await peer.say(t="ping", n=n)
            heard += await peer.hear_until("pong")
        if bell != "muted":
            assert before < looks.calls <= before + rolled_back
        await off_loop(write, "f", 10)
        await off_loop(livefeed.close, "f")
        heard += await peer.hear_until("end")
    assert heard[-1]["seq"] == 20
    await assert_is_log(events(heard), "f")


def _ring_and_roll_back() -> None:
    with transaction.atomic():
        livefeed.append("f", [livefeed.Chunk("t", "line", ["a phantom"])])
        doorbell().ring("f")
        transaction.set_rollback(True)
