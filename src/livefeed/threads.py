"""Threads for the database: livefeed's own, each with a connection of its own.

Never `sync_to_async`: its one shared thread serves every synchronous view of the process, and a slow page
there would hold up every live line. Following the tails has a thread to itself, so that neither catch-up
reads nor a slow MAY_READ can hold up the lines either. Appends of coroutines take turns on one thread: a
second one would only wait for the first one's lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

from livefeed.conf import option

T = TypeVar("T")


async def on_tail_thread(call: Callable[[], T]) -> T:
    """Run a read of a feed's newest events."""
    return await asyncio.get_running_loop().run_in_executor(_tail(), partial(_run, call))


async def on_page_thread(call: Callable[[], T]) -> T:
    """Run a catch-up read, a history page or a question of rights."""
    return await asyncio.get_running_loop().run_in_executor(_pages(), partial(_run, call))


async def on_writer_thread(call: Callable[[], T]) -> T:
    """Run an append, or whatever else writes."""
    return await asyncio.get_running_loop().run_in_executor(_writer(), partial(_run, call))


@cache
def _writer() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="livefeed-writer")


@cache
def _tail() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="livefeed-tail")


@cache
def _pages() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=option("READER_THREADS"), thread_name_prefix="livefeed-page")


def _run(call: Callable[[], T]) -> T:
    try:
        return call()
    except (OperationalError, InterfaceError):
        connection.close()  # the next call starts with a fresh connection instead of a broken one
        raise
