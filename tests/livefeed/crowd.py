"""Many clients on one loop in a thread of its own, and what all of them have seen."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import livefeed
from livefeed.client import Group
from tests.livefeed.followers import DEADLINE_S, Follower, ReferenceClient


class Crowd:
    """Clients that follow a feed each to its end.

    They keep no lines, of which there may be millions, but how many there were and a digest.
    `heard` is called with each group that comes.
    """

    def __init__(
        self,
        clients: Sequence[Follower],
        deadline_s: float = DEADLINE_S,
        heard: Callable[[Group], None] = lambda group: None,
    ) -> None:
        self.clients = [client for client in clients if isinstance(client, ReferenceClient)]
        assert len(self.clients) == len(clients)
        self._deadline_s, self._heard = deadline_s, heard
        self._pool = ThreadPoolExecutor(1)
        self._following = self._pool.submit(asyncio.run, self._follow())

    def assert_log(self) -> None:
        """All of them have seen the end of their feed, and exactly what is before it."""
        digests = self._following.result(self._deadline_s)
        self._pool.shutdown()
        stored = {key: _stored(key) for key in {client.key for client in self.clients}}
        for client, digest in zip(self.clients, digests, strict=True):
            assert digest.value == stored[client.key].value

    async def _follow(self) -> list[Digest]:
        async with asyncio.timeout(self._deadline_s):
            return await asyncio.gather(*map(self._digest, self.clients))

    async def _digest(self, client: ReferenceClient) -> Digest:
        digest = Digest()
        async for group in client:
            digest.add(group.first, group.items)
            self._heard(group)
        return digest


class Digest:
    """Lines in their order, without any between."""

    def __init__(self) -> None:
        self.last = 0
        self._hash = hashlib.sha256()

    def add(self, first: int, items: Sequence[str]) -> None:
        """A group's lines."""
        assert first == self.last + 1
        self.last += len(items)
        self._hash.update("".join(f"{line}\n" for line in items).encode())

    @property
    def value(self) -> tuple[int, str]:
        """(how many lines, what they were)."""
        return self.last, self._hash.hexdigest()


def _stored(feed: str) -> Digest:
    digest = Digest()
    while (page := livefeed.read(feed, digest.last)).to > page.prev:
        for group in page.groups:
            digest.add(group[4], group[5])
    return digest
