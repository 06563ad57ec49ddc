"""A database that is locked, full or cannot be read: no hole, and all go on once it is well again."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection

import livefeed
from tests.livefeed.followers import Visitor, follow_all
from tests.livefeed.oracle import write
from tests.livefeed.peer import Peer, assert_is_log, events, off_loop
from tests.livefeed.serving import Server
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    """A connection of somebody else's."""
    name = str(connection.settings_dict["NAME"])
    with closing(sqlite3.connect(name, timeout=20, isolation_level=None, check_same_thread=False)) as other:
        yield other


@contextmanager
def locked() -> Iterator[None]:
    """Somebody else writes, and does not come to an end."""
    with database() as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def away(*tables: str) -> Iterator[None]:
    """Every statement on these tables fails."""
    with database() as other:
        other.execute("PRAGMA legacy_alter_table = ON")
        for table in tables:
            other.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
        try:
            yield
        finally:
            for table in tables:
                other.execute(f"ALTER TABLE {table}_away RENAME TO {table}")


def refused(*statements: str) -> str:
    """What the database says to an append of 100 KB on a connection of which these were asked before."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    with pytest.raises(OperationalError) as caught:
        livefeed.append("f", [livefeed.Chunk("t", "line", [secrets.token_hex(1_000) for _ in range(100)])])
    return str(caught.value)


@pytest.mark.usefixtures("bell")
async def test_a_locked_database_refuses_the_append_and_everybody_goes_on_reading(
    olga: User, cookie: str
) -> None:
    await off_loop(write, "f", 10)
    async with Peer(olga) as early, Peer(cookie=cookie) as late:
        await early.sub("f")
        heard_early = await early.hear_until("caught_up")
        with locked():
            assert await off_loop(refused, "PRAGMA busy_timeout = 50") == "database is locked"
            await late.sub("f")
            heard_late = await late.hear_until("caught_up")
            assert heard_late[-1]["seq"] == 10
        await off_loop(write, "f", 10)
        await off_loop(livefeed.close, "f")
        heard_early += await early.hear_until("end")
        heard_late += await late.hear_until("end")
    await assert_is_log(events(heard_early), "f")
    await assert_is_log(events(heard_late), "f")


@pytest.mark.usefixtures("bell")
async def test_a_full_database_refuses_the_append_whole(olga: User) -> None:
    await off_loop(write, "f", 10)
    async with Peer(olga) as peer:
        await peer.sub("f")
        heard = await peer.hear_until("caught_up")
        full = ("VACUUM", "PRAGMA max_page_count = 1")  # no page is free, and there will be none more
        assert await off_loop(refused, *full) == "database or disk is full"
        await off_loop(write, "f", 10)
        await off_loop(livefeed.close, "f")
        heard += await peer.hear_until("end")
    assert heard[-1]["seq"] == 20
    await assert_is_log(events(heard), "f")


def test_a_database_that_cannot_be_read_for_a_while_costs_nobody_a_line(
    server: Server, visitor: Visitor, feed: str
) -> None:
    """Neither feeds nor sessions: whoever follows is sent away, and whoever comes back is not let in."""
    write(feed, 50)
    client = visitor.client(feed, server.port, attempts=50_000)

    def break_off() -> None:
        eventually(lambda: client.seq == 50)
        with away("livefeed_feed", "django_session"):
            eventually(lambda: client.connections > 5)
        write(feed, 50)
        livefeed.close(feed)

    [applied] = follow_all(client, meanwhile=break_off)
    applied.assert_is_log(feed)
