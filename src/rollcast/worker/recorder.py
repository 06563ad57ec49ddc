"""Station 8: what all targets of this worker have read and become, stored once a tick in one transaction.

Promise: entries are stored in the order in which they were handed over, so a change of state never overtakes
the output before it; each entry's outcome is told to whoever awaits it; nothing is dropped. Why true: one
queue, one task that empties it, and a tick that fails for the database's sake is tried again as a whole: it
was rolled back as a whole, and what is stored already is recognised by its mark or its state. What would
break it: two tasks that record, or giving up on a tick.

The first entry after silence is stored at once; after that a tick lasts RECORD_TICK_S. Bytes that wait are
bounded: followers ask for `room` and stop reading from their hosts until there is some.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Final

from django.db import InterfaceError, OperationalError

from rollcast.conf import option
from rollcast.rollouts import actions
from rollcast.rollouts.actions import Entry, OutputEntry
from rollcast.rollouts.leases import Refused
from rollcast.worker.database import Database

log = logging.getLogger(__name__)

# What one transaction takes at most: some 0.2 s of the database thread, so that a flood of one step delays
# neither the heartbeat nor the other hosts. `yes` writes two bytes a line, hence a bound on pieces as well.
MAX_ENTRIES: Final = 1000
MAX_BYTES: Final = 512 * 1024
MAX_PIECES: Final = 20_000
# What a line takes in memory beside its text: the piece, its numbers, and what a text takes by itself.
PIECE_BYTES: Final = 256
# Seconds before a tick is tried again that the database refused (locked for longer than its own time-out,
# disk full).
RETRY_S: Final = 1.0


@dataclass
class _Waiting:
    entry: Entry
    outcome: asyncio.Future[bool]
    cost: int

    @property
    def n_pieces(self) -> int:
        return len(self.entry.pieces) if isinstance(self.entry, OutputEntry) else 0

    @property
    def held(self) -> int:
        """Bytes that it takes in memory."""
        return self.cost + PIECE_BYTES * self.n_pieces


class Recorder:
    """Takes entries on the loop, stores them on the database thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: list[_Waiting] = []
        self._bytes = 0
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closing = False
        self._most: int = option("RECORD_MAX_BYTES")
        self._task: asyncio.Task[None] | None = None
        self.refused: Refused | None = None

    def start(self) -> None:
        """Begin to store."""
        self._task = asyncio.create_task(self._run(), name="recorder")

    def hand_over(self, entry: Entry, cost: int = 0) -> asyncio.Future[bool]:
        """Queue an entry of `cost` bytes; the future tells whether it stands (see `actions.record`)."""
        outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(entry, outcome, cost)
        self._queue.append(waiting)
        self._bytes += waiting.held
        if self._bytes > self._most:
            self._room.clear()
        self._work.set()
        return outcome

    @property
    def full(self) -> bool:
        """Whether followers must wait for `room` before they read on."""
        return not self._room.is_set()

    async def room(self) -> None:
        """Return once there is room."""
        await self._room.wait()

    async def close(self) -> None:
        """Store what was handed over and end. What the database still refuses is left: the hosts have it."""
        self._closing = True
        self._work.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        tick: float = option("RECORD_TICK_S")
        while True:
            await self._work.wait()
            self._work.clear()
            began = loop.time()
            while self._queue:
                if not await self._store():
                    if self._closing:
                        self._give_up()
                        return
                    await asyncio.sleep(RETRY_S)
            if self._closing:
                return
            await asyncio.sleep(max(0.0, began + tick - loop.time()))

    async def _store(self) -> bool:
        """Store the front of the queue; False if the database refused and it stays where it is."""
        batch = self._front()
        try:
            answers = await self._database(actions.record, [waiting.entry for waiting in batch])
        except (OperationalError, InterfaceError) as error:
            log.warning("the database refused a tick of %d entries: %s", len(batch), error)
            self.refused = self.refused or Refused(time.time(), str(error))
            return False
        except Exception as error:
            # A mistake of ours in one of the entries: its askers must hear of it, the others go on.
            log.exception("a tick of %d entries could not be recorded", len(batch))
            self._taken(batch)
            for waiting in batch:
                if not waiting.outcome.done():
                    waiting.outcome.set_exception(error)
                    waiting.outcome.exception()  # retrieved here: some entries are awaited by nobody
            return True
        self.refused = None
        self._taken(batch)
        for waiting, answer in zip(batch, answers, strict=True):
            if not waiting.outcome.done():
                waiting.outcome.set_result(answer)
        return True

    def _front(self) -> list[_Waiting]:
        """What fits into one transaction, at least one entry."""
        n_bytes = n_pieces = 0
        for number, waiting in enumerate(self._queue[:MAX_ENTRIES]):
            n_bytes += waiting.cost
            n_pieces += waiting.n_pieces
            if number and (n_bytes > MAX_BYTES or n_pieces > MAX_PIECES):
                return self._queue[:number]
        return self._queue[:MAX_ENTRIES]

    def _taken(self, batch: list[_Waiting]) -> None:
        del self._queue[: len(batch)]
        self._bytes -= sum(waiting.held for waiting in batch)
        if self._bytes <= self._most // 2:
            self._room.set()

    def _give_up(self) -> None:
        for waiting in self._queue:
            waiting.outcome.cancel()
        self._queue.clear()
