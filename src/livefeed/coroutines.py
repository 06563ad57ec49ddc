"""The same doors for coroutines, each on a thread of livefeed's: Django opens no transaction in a coroutine.

Each call that writes is a transaction of its own. Work that has one, with rows of its own in it, is a plain
function: `await sync_to_async(work)()`, with `livefeed.append` inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from livefeed import log, pages
from livefeed.log import Chunk, FeedState, Result
from livefeed.pages import Page
from livefeed.protocol import PAGE_EVENTS
from livefeed.threads import on_page_thread, on_writer_thread


async def aappend(feed: str, chunks: Sequence[Chunk], *, at_ms: int | None = None) -> list[Result]:
    """`append` from a coroutine, in a transaction of its own, and in the order of the calls."""
    return await on_writer_thread(partial(log.append, feed, chunks, at_ms=at_ms))


async def aclose(feed: str) -> None:
    """`close` from a coroutine, after every append that was awaited before."""
    await on_writer_thread(partial(log.close, feed))


async def areopen(feed: str) -> None:
    """`reopen` from a coroutine."""
    await on_writer_thread(partial(log.reopen, feed))


async def aread(
    feed: str, after: int = 0, limit: int = PAGE_EVENTS, lane: str | None = None, until: int | None = None
) -> Page:
    """`read` from a coroutine."""
    return await on_page_thread(feed, partial(pages.read, feed, after, limit, lane, until))


async def ahead(feed: str) -> FeedState:
    """`head` from a coroutine."""
    return await on_page_thread(feed, partial(log.head, feed))


async def amark(feed: str, origin: str) -> int:
    """`mark` from a coroutine."""
    return await on_page_thread(feed, partial(log.mark, feed, origin))
