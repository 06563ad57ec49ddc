"""A cancelled step: what it wrote is stored like the output of any other, or its row says what is missing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from rollcast.remote.connector import Item, Output
from rollcast.remote.follow import follow
from rollcast.rollouts import actions, queries
from rollcast.rollouts.actions import Entry
from rollcast.worker import detached, recorder
from tests.waiting import eventually
from tests.worker.conftest import Bench, Cable, joined_lines, journal_of

# So many bytes at once; then the step goes on until it is cancelled.
FLOOD = "- name: floods\n  run: seq 1 130000; touch $HOME/flooded; sleep 100\n"
FLOOD_BYTES = 798_895


@pytest.fixture
def slow_recorder(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """A recorder that needs some seconds for the flood, and a patience that is far shorter than that."""
    record = actions.record
    never = threading.Event()

    def slowly(entries: Sequence[Entry]) -> list[bool]:
        never.wait(0.1)
        return record(entries)

    monkeypatch.setattr(actions, "record", slowly)
    monkeypatch.setattr(recorder, "MAX_BYTES", 20_000)
    monkeypatch.setattr(detached, "LAST_WORD_S", 0.1)
    settings.ROLLCAST = {**settings.ROLLCAST, "RECORD_MAX_BYTES": 40_000, "RECONNECT_FIRST_S": 0.1}


def cancelled_in_mid_flood(bench: Bench, cable: Cable | None = None) -> int:
    """A rollout of one flooding host, cancelled while most of the flood is still to be read; its id."""
    bench.hosts("a")
    bench.recipe(FLOOD)
    rollout = bench.start()
    bench.worker(cable) if cable else bench.worker()
    bench.until_made("flooded")
    target = bench.page(rollout)["targets"][0]["id"]
    eventually(lambda: queries.mark(rollout, target, 0, 1) > 0)
    actions.cancel_rollout(rollout, "user:olga")
    assert queries.mark(rollout, target, 0, 1) < FLOOD_BYTES // 2
    return rollout


def drained(bench: Bench, rollout: int) -> bool:
    """Whether the rollout ended as one that was stopped, with all that its host has in its journal."""
    page = bench.until_ended(rollout, 60)
    target = page["targets"][0]
    (step,) = target["steps"]
    journal = journal_of(bench, rollout, target["id"], 0, 1)
    assert (target["state"], step["state"], step["stop_evidence"]) == ("cancelled", "cancelled", "stopped")
    assert step["journal_bytes"] == len(journal)
    assert step["reason"] != "journal_differs"
    return joined_lines(rollout, target["id"], 0, 1) == journal.decode()


@pytest.mark.usefixtures("slow_recorder")
def test_a_cancelled_flood_is_stored_whole_however_long_that_takes(bench: Bench) -> None:
    assert drained(bench, cancelled_in_mid_flood(bench))


@pytest.mark.usefixtures("slow_recorder")
def test_a_cut_after_the_stop_loses_neither_output_nor_what_was_seen(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cable = Cable()
    rollout = cancelled_in_mid_flood(bench, cable)
    bench.until(rollout, lambda page: page["targets"][0]["steps"][0]["stop_evidence"] == "stopped")
    assert bench.page(rollout)["rollout"]["state"] == "cancelling"
    monkeypatch.setattr(detached, "LAST_WORD_S", 10.0)  # a new connection takes its time
    cable.cut()
    assert drained(bench, rollout)


def test_what_cannot_be_read_any_more_is_said_in_figures(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def falls_silent(*args: Any, **kwargs: Any) -> AsyncGenerator[Item, None]:
        async for item in follow(*args, **kwargs):
            if isinstance(item, Output) and item.offset > FLOOD_BYTES // 2:
                await asyncio.Event().wait()
            yield item

    monkeypatch.setattr(detached, "follow", falls_silent)
    monkeypatch.setattr(detached, "LAST_WORD_S", 0.1)
    bench.hosts("a")
    bench.recipe(FLOOD)
    rollout = bench.start()
    bench.worker()
    bench.until_made("flooded")
    actions.cancel_rollout(rollout, "user:olga")
    target = bench.until_ended(rollout)["targets"][0]
    (step,) = target["steps"]
    assert (step["state"], step["stop_evidence"]) == ("cancelled", "stopped")
    stored = queries.mark(rollout, target["id"], 0, 1)
    assert 0 <= stored < FLOOD_BYTES
    assert (step["reason"], step["journal_bytes"]) == ("journal_differs", FLOOD_BYTES)
    assert step["detail"] == f"{stored} of the {FLOOD_BYTES} bytes in the host's journal are stored"
    assert target["detail"] == step["detail"]  # below the host's row on the page
