"""Threads for the database: livefeed's own, each with a connection of its own.

Never `sync_to_async`: its one shared thread serves every synchronous view of the process, and a slow page
there would hold up every live line. Four kinds that never wait for each other: following the tails, pages
(what lies behind a tail), questions of rights, and appends of coroutines, which take turns on one thread: a
second one would only wait for the first one's lock.

A FEED THAT IS SLOW TO READ HOLDS UP ITSELF. Its reader has one look under way at a time, which is one tail
thread; and of the page threads one feed gets no more than half. A turn ends when the thread is free again,
not when whoever asked has gone: a client that comes back faster than the database answers gains nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from typing import TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from django.db import InterfaceError, OperationalError, connection

from livefeed.conf import option

T = TypeVar("T")

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[str, asyncio.Semaphore]] = (
    WeakKeyDictionary()
)


async def on_tail_thread(call: Callable[[], T]) -> T:
    """Run a read of a feed's newest events."""
    return await asyncio.get_running_loop().run_in_executor(_threads("tail"), partial(_run, call))


async def on_page_thread(feed: str, call: Callable[[], T]) -> T:
    """Run a catch-up read or a history page of this feed."""
    loop, turn = asyncio.get_running_loop(), _turn(feed)
    await turn.acquire()

    def end_turn(_: Future[T]) -> None:
        with suppress(RuntimeError):  # the loop has just been closed: nobody waits for a turn
            loop.call_soon_threadsafe(turn.release)

    work = _threads("page").submit(_run, call)
    work.add_done_callback(end_turn)
    return await asyncio.wrap_future(work)


async def on_rights_thread(call: Callable[[], T]) -> T:
    """Run a question of rights: who is this, and what may they read?"""
    return await asyncio.get_running_loop().run_in_executor(_threads("rights"), partial(_run, call))


async def on_writer_thread(call: Callable[[], T]) -> T:
    """Run an append, or whatever else writes."""
    return await asyncio.get_running_loop().run_in_executor(_writer(), partial(_run, call))


@cache
def _writer() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="livefeed-writer")


@cache
def _threads(kind: str) -> ThreadPoolExecutor:
    count = option(f"{kind.upper()}_THREADS")
    return ThreadPoolExecutor(max_workers=count, thread_name_prefix=f"livefeed-{kind}")


def _turn(feed: str) -> asyncio.Semaphore:
    """The turns of this feed; they are forgotten when nobody has or wants one."""
    turns = _turns.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    turn = turns.get(feed)
    if turn is None:
        turn = turns[feed] = asyncio.Semaphore(max(option("PAGE_THREADS") // 2, 1))
    return turn


def _run(call: Callable[[], T]) -> T:
    try:
        return call()
    except (OperationalError, InterfaceError):
        connection.close()  # the next call starts with a fresh connection instead of a broken one
        raise
