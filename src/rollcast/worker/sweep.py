"""The worker's rounds: say that we live, find work that nobody holds, work on everything held.

A slow poll alone is enough: each round looks at the rows, whatever was hinted. A hint only makes the next
round come at once. A worker whose trust lapses (leases.py) drops everything and acts again once it has
renewed.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Final

from django.db import DatabaseError

from rollcast.conf import option
from rollcast.engine.states import TARGET_ACTIVE
from rollcast.rollouts import actions, leases, queries
from rollcast.rollouts.leases import Held
from rollcast.rollouts.queries import HeldTarget
from rollcast.worker.conduct import conduct
from rollcast.worker.context import Context
from rollcast.worker.hand import ended
from rollcast.worker.target import TargetRun

log = logging.getLogger(__name__)

# Rows that one round takes at most, so that a round after an outage of another worker stays short.
CLAIM_LIMIT: Final = 500
# Seconds before a target is worked on again after a mistake of ours in it: first, and at most.
MISTAKE_FIRST_S: Final = 1.0
MISTAKE_MAX_S: Final = 60.0


@dataclass
class _Work:
    """One target under way: who works on it, in which task, and the versions that it last heard of."""

    run: TargetRun
    task: asyncio.Task[None]
    stamp: tuple[int, int]


@dataclass
class _Mistakes:
    """How often work on a target ended in an error of ours, and when it may be taken up again (loop time)."""

    n: int = 0
    not_before: float = 0.0


@dataclass
class Sweep:
    """One worker's rounds. `woken` is set by whoever knows that there is something to see."""

    context: Context
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    _work: dict[tuple[int, int], _Work] = field(default_factory=dict)
    _mistakes: dict[int, _Mistakes] = field(default_factory=dict)
    _leaving: set[asyncio.Task[None]] = field(default_factory=set)

    async def beat(self) -> None:
        """Renew the lease once; False trust is noticed by `rounds`. LeaseGone if our row was taken away."""
        counted_from = self.context.trust.before_beat()
        me, refused = self.context.worker_id, self.context.recorder.refused
        if not await self.context.database.soon(leases.beat, me, self.context.clock(), refused):
            raise LeaseGone("this worker's heartbeat row was removed")
        self.context.trust.renewed(counted_from)

    async def beats(self) -> None:
        """Renew the lease for ever. A database that refuses is asked again; trust runs out by itself."""
        while True:
            try:
                await self.beat()
            except DatabaseError as error:
                log.warning("no heartbeat: %s", error)
            await asyncio.sleep(option("LEASE_BEAT_S"))

    async def watch_trust(self) -> None:
        """Drop all work as soon as trust has lapsed, also while the database does not answer."""
        while True:
            if not self.context.trust.holds() and self._work:
                log.warning("the lease could not be renewed in time: %d targets are let go", len(self._work))
                await self.drop_all()
            await asyncio.sleep(option("LEASE_BEAT_S"))

    async def rounds(self) -> None:
        """Look for ever: at once when woken, else every SWEEP_S."""
        while True:
            self.woken.clear()
            try:
                if self.context.trust.holds():
                    await self._round()
            except DatabaseError as error:
                log.warning("a round failed: %s", error)
            await self._until_woken()

    async def drop_all(self) -> None:
        """Stop all work here; what runs on hosts goes on."""
        work, self._work = self._work, {}
        await ended(*(one.task for one in work.values()), *self._leaving)

    async def _until_woken(self) -> None:
        try:
            async with asyncio.timeout(option("SWEEP_S")):
                await self.woken.wait()
        except TimeoutError:
            return

    async def _round(self) -> None:
        database, me, now = self.context.database, self.context.worker_id, self.context.clock()
        await database(leases.claim_rollouts, me, now, CLAIM_LIMIT)
        for held in await database(leases.held_rollouts, me):
            await self._conduct(held)
        claimed = await database(leases.claim_targets, me, now, CLAIM_LIMIT)
        if any(held.before for held in claimed):
            await database(actions.tell_takeovers, me, claimed)
        await self._see_to(await database(queries.targets_of_worker, me, TARGET_ACTIVE))

    async def _conduct(self, held: Held) -> None:
        """A rollout that cannot be decided on must not keep the others from it."""
        try:
            await self.context.database(conduct, held, self.context.clock())
        except DatabaseError:
            raise
        except Exception:
            log.exception("rollout %d could not be conducted", held.id)

    async def _see_to(self, targets: list[HeldTarget]) -> None:
        """Work on exactly these targets, and tell those of which something has changed."""
        wanted = {(target.id, target.fence): target for target in targets}
        gone = [key for key in self._work if key not in wanted]
        await self._let_go(gone)
        loop = asyncio.get_running_loop()
        for key, target in wanted.items():
            work = self._work.get(key)
            if work is not None and not work.task.done():
                if work.stamp != target.stamp:
                    work.stamp = target.stamp
                    work.run.poke()
                continue
            if work is not None:
                self._note_end(target.id, work.task, loop.time())
                del self._work[key]
            if self._mistakes.get(target.id, _Mistakes()).not_before > loop.time():
                continue
            run = TargetRun(self.context, target.id, target.fence)
            task = asyncio.create_task(run.run(), name=f"target {target.id}")
            task.add_done_callback(lambda _: self.woken.set())
            self._work[key] = _Work(run, task, target.stamp)

    async def _let_go(self, keys: list[tuple[int, int]]) -> None:
        """Forget targets that ended; those of another worker by now are dropped."""
        for key in keys:
            work = self._work.pop(key)
            if work.task.done():
                self._note_end(key[0], work.task, asyncio.get_running_loop().time())
            else:
                work.run.poke()  # it finds out by itself, and closes its connection in order
                self._leaving.add(work.task)
                work.task.add_done_callback(self._leaving.discard)

    def _note_end(self, target_id: int, task: asyncio.Task[None], now: float) -> None:
        """Log an error of ours, if there was one; work on the target rests for a while then."""
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._mistakes.pop(target_id, None)
            return
        mistakes = self._mistakes.setdefault(target_id, _Mistakes())
        mistakes.not_before = now + min(MISTAKE_MAX_S, MISTAKE_FIRST_S * 2**mistakes.n)
        mistakes.n += 1
        log.error("work on target %d failed", target_id, exc_info=error)


class LeaseGone(RuntimeError):
    """The heartbeat row is gone: this worker must end."""
