"""The worker's one database thread.

Django's connections belong to threads and block; the worker's loop must not. So everything that touches the
database is called here, one call after the other, on one thread with one connection: a worker never waits for
a lock that it holds itself, and a tick's transaction is never cut by another of its own.

A hundred hosts that are found again ask a thousand things at once. Only a few calls are with the thread at a
time and the others wait here, so that a heartbeat is heard before them: were it to wait its turn, the lease
would lapse, all hosts be let go of and be found again, and so for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")


# Calls that are with the thread at a time: one, and the next, so that it need not wait for the loop.
_WITH_THREAD: Final = 2


class Database:
    """Calls functions on the thread, in the order in which they were asked for."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"{name}-database")
        self._turn = asyncio.Semaphore(_WITH_THREAD)

    async def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's answer. A call that was begun is finished even if the caller is cancelled."""
        async with self._turn:
            return await self.soon(function, *args, **kwargs)

    async def soon(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same before all that waits for its turn."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(_on_thread, function, *args, **kwargs))

    async def close(self) -> None:
        """Close the thread's connections and end it, after everything that was asked for."""
        await asyncio.get_running_loop().run_in_executor(self._thread, connections.close_all)
        self._thread.shutdown(wait=True)


def _on_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    # Not close_old_connections(): without a CONN_MAX_AGE it closes before every call, and a new connection to
    # SQLite reads the whole schema before its first answer: a third of all that the database costs a worker.
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred:
            connection.close()
    return function(*args, **kwargs)
