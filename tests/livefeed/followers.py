"""Two independent clients behind one face, so that a test runs over the network with either."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

from livefeed.client import FeedClient, FeedRefused, FeedReset
from tests.livefeed.oracle import Applied
from tests.livefeed.raw_client import RawClient, Refused, Reset
from tests.livefeed.raw_http import PollClient, StreamClient
from tests.livefeed.serving import ORIGIN

# Written from the protocol's page: over the socket, and over plain HTTP.
RAW: Final = {"raw": RawClient, "stream": StreamClient, "poll": PollClient}
# Seconds on an idle machine, minutes on one that does ten other things.
DEADLINE_S = 180


class Follower(Protocol):
    """A cursor, and what it took to move it."""

    seq: int
    connections: int
    pages: int
    ended: bool
    headers: dict[str, str]

    def follow(self, deadline_s: float) -> Applied:
        """Apply the feed to its end. Blocks."""


class ReferenceClient(FeedClient):
    """livefeed's own client, in a loop of its own; it raises what the other one does."""

    def follow(self, deadline_s: float) -> Applied:
        """Apply the feed to its end."""
        applied = Applied()

        async def run() -> None:
            async with asyncio.timeout(deadline_s):
                async for group in self:
                    applied.add(group.first, group.items)

        try:
            asyncio.run(run())
        except FeedRefused as refused:
            raise Refused(refused.code) from refused
        except FeedReset as reset:
            raise Reset({"reason": reset.reason, "first": reset.first, "head": reset.head}) from reset
        return applied


@dataclass
class Visitor:
    """Makes clients of one kind that are signed in as Olga."""

    cookie: str
    kind: str

    def client(
        self, feed: str, port: int, *, epoch: str | None = None, after: int = 0, attempts: int = 20
    ) -> Follower:
        """A client of the server at this port, in a hurry; the reference one gives up after `attempts`."""
        headers = {"Cookie": self.cookie, "Origin": ORIGIN}
        if self.kind in RAW:
            return RAW[self.kind](port, headers, feed, epoch=epoch, after=after)
        address = f"127.0.0.1:{port}/livefeed"
        return ReferenceClient(
            f"ws://{address}/",
            f"http://{address}/history",
            headers,
            feed,
            epoch=epoch,
            after=after,
            attempts=attempts,
            patience=0.0002,
        )


def follow_all(*clients: Follower, meanwhile: Callable[[], None] | None = None) -> list[Applied]:
    """Every client to the end of its feed, each in a thread, while this one does something else."""
    with ThreadPoolExecutor(len(clients)) as pool:
        followed = [pool.submit(client.follow, DEADLINE_S) for client in clients]
        if meanwhile is not None:
            meanwhile()
        return [each.result() for each in followed]
