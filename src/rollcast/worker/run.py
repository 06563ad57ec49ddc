"""A worker: the parts put together, as a process of its own or in a thread beside the web server.

`run` ends in order when its stop event is set (SIGTERM): rounds end, followers leave (what runs on hosts goes
on), what was read is stored, and the leases are handed back, so that another worker goes on at once. A worker
that is killed does none of that; its leases lapse and the rest follows from the rows.

A database that refuses is tried again for ever. Any other error that reaches `run` is a mistake of ours or of
the installation: the worker ends by it, and whoever started it is told, since a console without its worker
would take rollouts that nobody carries out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from django.db import InterfaceError, OperationalError

import livefeed
from rollcast import dispatch
from rollcast.remote.connectors import open_connection
from rollcast.rollouts import leases, processes
from rollcast.rollouts.leases import Trust
from rollcast.worker.context import Connect, Context
from rollcast.worker.database import Database
from rollcast.worker.hand import ended
from rollcast.worker.pruning import prune_old_output
from rollcast.worker.recorder import Recorder
from rollcast.worker.sweep import LeaseGone, Sweep

log = logging.getLogger(__name__)

# Seconds before a worker tries again whose database was locked for longer than its own time-out, or away.
RETRY_S: Final = 1.0


def worker_name(wish: str | None) -> str:
    """A name that no other worker process has or had: the wish (or host and process), and chance."""
    return f"{wish or f'{socket.gethostname()}-{os.getpid()}'}-{secrets.token_hex(3)}"


@dataclass
class WorkerThread:
    """A worker that runs in a thread of this process. `error`: what made it unable to go on, if anything."""

    thread: threading.Thread
    _loop: asyncio.AbstractEventLoop
    _stop: asyncio.Event
    error: Exception | None = None

    def stop(self, timeout_s: float = 15.0) -> bool:
        """Ask it to end in order and wait for that; whether it has ended in time. May be called twice."""
        with contextlib.suppress(RuntimeError):  # its loop is closed already
            self._loop.call_soon_threadsafe(self._stop.set)
        self.thread.join(timeout_s)
        return not self.thread.is_alive()


class WorkerProcess:
    """One worker. `run` may be called once."""

    def __init__(self, name: str | None = None, connect: Connect = open_connection) -> None:
        self._wish = name
        self.name = worker_name(name)
        self._connect = connect

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; raises what made the worker unable to go on."""
        database = Database(self.name)
        try:
            while not stop.is_set():
                try:
                    await self._work(database, stop)
                except LeaseGone:
                    # Silent for an hour (a machine that slept) and forgotten: nothing is held any more.
                    log.warning("%s was forgotten by the other workers and begins anew", self.name)
                    self.name = worker_name(self._wish)
                except (OperationalError, InterfaceError) as error:
                    log.warning("%s: the database refuses, it is tried again: %s", self.name, error)
                    self.name = worker_name(self._wish)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(RETRY_S):
                            await stop.wait()
        finally:
            await database.close()

    def run_in_thread(self, on_error: Callable[[Exception], None] = lambda _: None) -> WorkerThread:
        """Run in a thread with a loop of its own; answers once it runs.

        `on_error` is called on that thread with the error that ended the worker, perhaps before this answers;
        it is logged, and in `error`.
        """
        started = threading.Event()
        made: list[WorkerThread] = []

        async def main() -> None:
            stop = asyncio.Event()
            me = WorkerThread(thread, asyncio.get_running_loop(), stop)
            made.append(me)
            started.set()
            try:
                await self.run(stop)
            except Exception as error:
                log.exception("the worker ended by an error")
                me.error = error
                on_error(error)

        thread = threading.Thread(target=lambda: asyncio.run(main()), name=self.name, daemon=True)
        thread.start()
        started.wait()
        return made[0]

    async def _work(self, database: Database, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()
        recorder = Recorder(database)
        context = Context(
            worker_id=0,
            epoch=await database(livefeed.instance_epoch),
            database=database,
            recorder=recorder,
            trust=Trust(),
            connect=self._connect,
            wake=woken.set,
        )
        worker_id = await database(leases.register, self.name, context.clock(), processes.identity())
        context = replace(context, worker_id=worker_id)
        sweep = Sweep(context, woken)
        await sweep.beat()
        await database(leases.forget_gone, context.clock())
        recorder.start()

        def hinted(_rollout_id: int) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closing: nobody is left to wake
                loop.call_soon_threadsafe(woken.set)

        unlisten = dispatch.listen(hinted)
        duties = [
            asyncio.create_task(duty, name=name)
            for name, duty in (
                ("beats", sweep.beats()),
                ("trust", sweep.watch_trust()),
                ("rounds", sweep.rounds()),
                ("pruning", prune_old_output(context)),
            )
        ]
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            await asyncio.wait([*duties, stopping], return_when=asyncio.FIRST_COMPLETED)
            for duty in duties:
                if duty.done():
                    duty.result()
        finally:
            unlisten()
            await ended(duties[2], stopping)
            await sweep.drop_all()
            await recorder.close()
            await ended(*duties)
            await database(leases.release, worker_id)
