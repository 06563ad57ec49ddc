"""Writers that are doubled, cut off or killed: the log, and whoever watches, has every line once."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from pytest_django import Settings

import livefeed
from livefeed import Chunk, Result
from tests.livefeed.conftest import DOORBELLS
from tests.livefeed.oracle import lines, write
from tests.livefeed.peer import Peer, assert_is_log, events, off_loop
from tests.livefeed.serving import ROOT, environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bell")]

JOURNAL = lines(1, 120)


def offer(at: int, size: int) -> Result:
    """Append so many lines of the journal, from the mark that the writer believes in."""
    after = min(at + size, len(JOURNAL))
    chunk = Chunk("t", "line", JOURNAL[at:after], origin="journal", before=at, after=after)
    return livefeed.append("f", [chunk])[0]


class Writer:
    """Follows the journal in pieces of its own size; what it believes is put right by each answer."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.at = 0
        self.answers: set[str] = set()

    def turn(self) -> None:
        if self.at < len(JOURNAL):
            result = offer(self.at, self.size)
            self.answers.add(result.status)
            assert result.mark is not None
            self.at = result.mark

    def race(self, start: threading.Barrier) -> None:
        """Turns together with the others: enough even if each time only the smallest piece is stored."""
        for _ in range(len(JOURNAL) // 3 + 1):
            start.wait(10)
            self.turn()


async def assert_journal(heard: list[dict[str, Any]]) -> None:
    applied = events(heard)
    assert [item for _, item in applied.events] == JOURNAL
    await assert_is_log(applied, "f")


async def test_two_writers_of_one_journal_store_every_line_once(olga: User) -> None:
    """A worker that was taken for dead is still at it: neither knows of the other."""
    await off_loop(offer, 0, 1)  # of which neither of them knows
    writers, start = [Writer(3), Writer(7)], threading.Barrier(2)
    async with Peer(olga) as peer:
        await peer.sub("f")
        racing = [asyncio.create_task(off_loop(writer.race, start)) for writer in writers]
        await asyncio.gather(*racing)
        await off_loop(livefeed.close, "f")
        await assert_journal(await peer.hear_until("end"))
    assert writers[0].answers | writers[1].answers >= {"stored", "gap"}


async def test_a_writer_that_wakes_up_after_its_work_was_taken_over_adds_nothing(olga: User) -> None:
    zombie, successor = Writer(7), Writer(5)
    async with Peer(olga) as peer:
        for _ in range(3):
            await off_loop(zombie.turn)
        await peer.sub("f")
        heard = await peer.hear_until("caught_up")
        successor.at = await off_loop(livefeed.mark, "f", "journal")
        for _ in range(9):
            await off_loop(successor.turn)
        assert (await off_loop(offer, zombie.at, 7)).status == "already"
        assert (await off_loop(offer, zombie.at, 49)).status == "gap", "it would store lines a second time"
        while successor.at < len(JOURNAL):
            await off_loop(zombie.turn)
            await off_loop(successor.turn)
        await off_loop(livefeed.close, "f")
        await assert_journal(heard + await peer.hear_until("end"))
    assert (zombie.answers, successor.answers) == ({"stored", "already", "gap"}, {"stored"})


@pytest.mark.parametrize("done", [False, True], ids=["and it was not done", "and it was done"])
async def test_an_append_whose_commit_was_answered_by_an_error_is_offered_again_and_stored_once(
    olga: User, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    """Nobody rings for what was stored in spite of the error: it is found without."""
    writer = Writer(40)
    async with Peer(olga) as peer:
        await off_loop(writer.turn)
        await peer.sub("f")
        heard = await peer.hear_until("caught_up")
        database: Any = BaseDatabaseWrapper
        with monkeypatch.context() as patch:
            patch.setattr(database, "_commit", fails(database._commit, done))
            with pytest.raises(OperationalError, match="I/O"):
                await off_loop(writer.turn)
        if done:
            heard += await peer.hear_until("ev")
            assert heard[-1]["to"] == 80
        while writer.at < len(JOURNAL):
            await off_loop(writer.turn)
        await off_loop(livefeed.close, "f")
        await assert_journal(heard + await peer.hear_until("end"))
    assert ("already" in writer.answers) is done


def fails(commit: Callable[[Any], None], done: bool) -> Callable[[Any], None]:
    def failing(database: Any) -> None:
        if done:
            commit(database)
        raise OperationalError("disk I/O error")

    return failing


PROGRAM = """
import os, signal
import django
from django.conf import settings
from tests.livefeed.serving import settings as sample
settings.configure(**sample())
django.setup()
import livefeed
from livefeed import log
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
MOMENT
livefeed.append("f", [livefeed.Chunk("t", "line", ["the last words"])])
"""


@pytest.mark.parametrize(
    ("moment", "stored"),
    [("log._move_marks = die", False), ("log.doorbell.doorbell().ring = die", True)],
    ids=["before the commit", "between commit and ring"],
)
async def test_a_writer_that_is_killed_leaves_a_whole_line_that_everybody_gets_or_none(
    olga: User, settings: Settings, moment: str, stored: bool
) -> None:
    """Without a ring of any kind: the safety poll finds the line."""
    settings.LIVEFEED = settings.LIVEFEED | {"DATA_VERSION_POLL_S": 3600}
    await off_loop(write, "f", 10)
    async with Peer(olga) as peer:
        await peer.sub("f")
        heard = await peer.hear_until("caught_up")
        program = [sys.executable, "-c", PROGRAM.replace("MOMENT", moment)]
        file, quiet = str(connection.settings_dict["NAME"]), {"DOORBELL": DOORBELLS["muted"]}
        ended = await asyncio.to_thread(subprocess.run, program, cwd=ROOT, env=environment(file, quiet))
        assert ended.returncode == -signal.SIGKILL
        if stored:
            heard += await peer.hear_until("ev")
        await off_loop(write, "f", 10)
        await off_loop(livefeed.close, "f")
        heard += await peer.hear_until("end")
    said = [item for _, item in events(heard).events]
    assert said == [*lines(1, 10), *(["the last words"] if stored else []), *lines(11 + stored, 10)]
    await assert_is_log(events(heard), "f")
