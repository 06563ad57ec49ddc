"""Promises over a real server, a proxy that cuts, and the reference client: every line once, in order."""

from __future__ import annotations

import asyncio
from itertools import repeat

import pytest

import livefeed
from livefeed.client import FeedClient
from tests.chaos import ChaosProxy, Cut
from tests.livefeed.conftest import Visitor
from tests.livefeed.oracle import Applied, write

pytestmark = pytest.mark.django_db(transaction=True)

# The first messages of a connection: welcome and subok.
PREAMBLE = 2


async def follow(client: FeedClient, applied: Applied | None = None) -> Applied:
    """Everything until the feed ends."""
    applied = applied or Applied()
    async for group in client:
        applied.add(group.first, group.items)
    return applied


def follow_all(client: FeedClient, deadline_s: float = 30) -> Applied:
    """The same for synchronous tests."""

    async def run() -> Applied:
        async with asyncio.timeout(deadline_s):
            return await follow(client)

    return asyncio.run(run())


def test_a_cut_at_every_message_boundary_costs_nothing(
    proxy: ChaosProxy, visitor: Visitor, feed: str
) -> None:
    write(feed, 1000)
    livefeed.close(feed)
    proxy.plan(repeat(Cut(frames=PREAMBLE + 1), 100))
    client = visitor.client(feed, proxy.port)
    applied = follow_all(client)
    applied.assert_is_log(feed)
    assert proxy.cuts == 100
    assert client.connections == 101
