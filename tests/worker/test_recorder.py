"""The recorder: order, outcomes, back-pressure, and a database that refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError

from rollcast.remote.connector import Ended, Item, Output
from rollcast.rollouts import actions
from rollcast.rollouts.actions import Entry, OutputEntry, Piece, ProgressEntry
from rollcast.worker import recorder as recorder_module
from rollcast.worker.database import Database
from rollcast.worker.follow import Follower
from rollcast.worker.output import OutputReader
from rollcast.worker.recorder import Recorder
from tests.waiting import aeventually


def entry(number: int) -> ProgressEntry:
    """An entry that can be told from others."""
    return ProgressEntry(1, 0, number, 100)


class Store:
    """Stands for the database: keeps what it is given, unless it was told to refuse."""

    def __init__(self) -> None:
        self.ticks: list[list[Any]] = []
        self.refuse: Callable[[], Exception | None] = lambda: None

    def record(self, entries: Sequence[Entry]) -> list[bool]:
        """As `actions.record`."""
        error = self.refuse()
        if error is not None:
            raise error
        self.ticks.append(list(entries))
        return [True] * len(entries)

    @property
    def all(self) -> list[int]:
        """The numbers of all entries in the order in which they were stored."""
        return [one.bytes for tick in self.ticks for one in tick]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store in the place of the database."""
    made = Store()
    monkeypatch.setattr(actions, "record", made.record)
    monkeypatch.setattr(recorder_module, "RETRY_S", 0.02)
    return made


@pytest.fixture
async def recorder(store: Store, settings: Any) -> AsyncIterator[Recorder]:
    """A recorder that runs."""
    settings.ROLLCAST = {**settings.ROLLCAST, "RECORD_MAX_BYTES": 1000, "RECORD_TICK_S": 0.02}
    database = Database("test")
    made = Recorder(database)
    made.start()
    yield made
    await made.close()
    await database.close()


async def test_entries_are_stored_in_the_order_in_which_they_came(store: Store, recorder: Recorder) -> None:
    outcomes = [recorder.hand_over(entry(number)) for number in range(50)]
    assert await asyncio.gather(*outcomes) == [True] * 50
    assert store.all == list(range(50))


async def test_a_tick_gathers_what_comes_while_it_lasts(store: Store, recorder: Recorder) -> None:
    await recorder.hand_over(entry(0))
    await asyncio.gather(*(recorder.hand_over(entry(number)) for number in range(1, 20)))
    assert [len(tick) for tick in store.ticks] == [1, 19]


async def test_a_refused_tick_is_tried_again_whole(store: Store, recorder: Recorder) -> None:
    refusals = [OperationalError("database is locked"), InterfaceError("connection already closed")]
    store.refuse = lambda: refusals.pop() if refusals else None
    assert await asyncio.gather(*(recorder.hand_over(entry(number)) for number in range(5))) == [True] * 5
    assert store.all == list(range(5))


async def test_a_mistake_is_told_to_those_who_asked_and_the_next_tick_goes_on(
    store: Store, recorder: Recorder
) -> None:
    mistakes: list[Exception] = [ValueError("no such move")]
    store.refuse = lambda: mistakes.pop() if mistakes else None
    with pytest.raises(ValueError, match="no such move"):
        await recorder.hand_over(entry(1))
    assert await recorder.hand_over(entry(2))


def is_full(recorder: Recorder) -> bool:
    """Whether followers must wait."""
    return recorder.full


async def test_followers_wait_while_too_much_is_held(store: Store, recorder: Recorder) -> None:
    locked: list[Exception] = [OperationalError("locked")]
    store.refuse = lambda: locked[0] if locked else None
    for number in range(3):
        _ = recorder.hand_over(entry(number), cost=400)
    assert is_full(recorder)
    room = asyncio.ensure_future(recorder.room())
    locked.clear()
    await aeventually(room.done)
    assert not is_full(recorder)
    assert store.all == [0, 1, 2]


async def test_lines_count_for_what_they_take_in_memory_however_short_they_are(
    store: Store, recorder: Recorder
) -> None:
    locked: list[Exception] = [OperationalError("locked")]
    store.refuse = lambda: locked[0] if locked else None
    pieces = [Piece("line", "y", 2 * n) for n in range(1, 11)]
    _ = recorder.hand_over(OutputEntry(1, 0, 1, 0, pieces, 0, ""), cost=20)
    assert is_full(recorder)
    locked.clear()
    await aeventually(lambda: not recorder.full)


async def test_a_follower_reads_no_further_while_too_much_is_held(store: Store, recorder: Recorder) -> None:
    locked: list[Exception] = [OperationalError("locked")]
    store.refuse = lambda: locked[0] if locked else None
    read: list[int] = []

    async def items() -> AsyncGenerator[Item, None]:
        for end in range(100, 5001, 100):
            read.append(end)
            yield Output(b"x" * 99 + b"\n", end)
        yield Ended(0, 5000, "")

    follower = Follower(OutputReader(1, 0, 1, "utf-8", 0), recorder, lambda: None, lambda: None)
    following = asyncio.create_task(follower.run(items()))
    await aeventually(lambda: is_full(recorder))
    assert read[-1] == 300  # what made it full: a text of 100 bytes, and what a line takes beside it
    locked.clear()
    assert (await following).ended == Ended(0, 5000, "")
    assert [piece.end for tick in store.ticks for one in tick for piece in one.pieces] == read


async def test_a_close_stores_what_was_handed_over(store: Store, recorder: Recorder) -> None:
    outcomes = [recorder.hand_over(entry(number)) for number in range(3)]
    await recorder.close()
    assert [outcome.result() for outcome in outcomes] == [True] * 3
