"""The worker's one database thread.

Django's connections belong to threads and block; the worker's loop must not. So everything that touches the
database is called here, one call after the other, on one thread with one connection: a worker never waits for
a lock that it holds itself, and a tick's transaction is never cut by another of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connections

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """Calls functions on the thread, in the order in which they were asked for."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"{name}-database")

    async def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's answer. A call that was begun is finished even if the caller is cancelled."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(_on_thread, function, *args, **kwargs))

    async def close(self) -> None:
        """Close the thread's connections and end it, after everything that was asked for."""
        await asyncio.get_running_loop().run_in_executor(self._thread, connections.close_all)
        self._thread.shutdown(wait=True)


def _on_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    close_old_connections()
    return function(*args, **kwargs)
