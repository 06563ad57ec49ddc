"""The worker's database thread: one call after the other, but for what must not wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from django.db import OperationalError, connection

from rollcast.worker.database import Database


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    made = Database("test")
    yield made
    await made.close()


async def test_calls_are_made_in_the_order_in_which_they_were_asked_for(database: Database) -> None:
    made: list[int] = []
    await asyncio.gather(*(database(made.append, n) for n in range(50)))
    assert made == list(range(50))


async def test_a_heartbeat_does_not_wait_for_all_that_was_asked_before_it(database: Database) -> None:
    gate, made = threading.Event(), list[int]()
    held = asyncio.ensure_future(database(gate.wait))
    appended = [asyncio.ensure_future(database(made.append, n)) for n in range(1000)]
    await asyncio.sleep(0)  # all of them have asked
    beat = asyncio.ensure_future(database.soon(made.append, -1))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(held, beat, *appended)
    assert made.index(-1) <= 1
    assert sorted(made) == list(range(-1, 1000))


async def test_a_call_that_was_begun_is_finished_and_one_that_was_not_is_not_made(database: Database) -> None:
    gate, begun, made = threading.Event(), threading.Event(), list[str]()

    def slow() -> None:
        begun.set()
        gate.wait()
        made.append("slow")

    first = asyncio.ensure_future(database(slow))
    waiting = [asyncio.ensure_future(database(made.append, "waiting")) for _ in range(5)]
    await asyncio.to_thread(begun.wait)
    for task in (first, *waiting):
        task.cancel()
    await asyncio.gather(first, *waiting, return_exceptions=True)
    gate.set()
    await database(made.append, "then")
    assert made == ["slow", "then"]


def session() -> object:
    """The driver's own object for a connection that answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return connection.connection


def fail() -> None:
    """What a database does that is gone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT no_such_function()")


@pytest.mark.django_db(transaction=True)
async def test_a_connection_is_kept_until_it_has_failed(database: Database) -> None:
    first = await database(session)
    assert await database(session) is first
    with pytest.raises(OperationalError):
        await database(fail)
    assert await database(session) is not first
