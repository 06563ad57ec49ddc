"""The live connections of one event loop: the one place that knows all of them, and how many there may be.

PROMISE. Whoever has entered is counted, and reached by what concerns everybody, from the moment of entering
to that of leaving. No more than MAX_CONNECTIONS, MAX_PER_USER and MAX_PER_ADDRESS are in at any moment.
`drain` ends within DRAIN_S, whatever the peers do.

WHY. Entering looks and counts without a wait in between. Counts are those of the members, not numbers of
their own that could differ; leaving is the end of a `with` block, so whatever fails, nobody stays.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, Literal, Protocol
from weakref import WeakKeyDictionary

from livefeed.conf import option
from livefeed.protocol import CloseCode
from livefeed.session import Tally

Transport = Literal["socket", "stream", "poll"]
Cap = Literal["user", "address", "process", "strangers", "drain"]

MINUTE_S: Final = 60
# Of an IPv6 address: what one subscriber has, and may choose from for each connection.
IPV6_NETWORK_BITS: Final = 64
# The part of DRAIN_S in which connections are told to leave; the rest is for the closes to get through.
_LEAVING: Final = 0.8
_chance: Final = random.SystemRandom()


class Refused(Exception):
    """No place: `code` for a socket, `status` with Retry-After `retry_s` for HTTP.

    `unseen`: said before a socket's handshake ends. A browser cannot tell why, but it costs next to nothing.
    """

    def __init__(self, code: CloseCode, status: int, retry_s: float = 0, *, unseen: bool = False) -> None:
        super().__init__(f"{code.name} ({status})")
        self.code, self.status, self.retry_s, self.unseen = code, status, math.ceil(retry_s), unseen


class Member(Protocol):
    """A conversation, as far as it is known here. `who` is its user, by `livefeed.rights.who_is`."""

    who: str
    address: str | None
    transport: Transport
    left_with: int | None

    @property
    def close_code(self) -> int | None: ...

    @property
    def tally(self) -> Tally: ...

    @property
    def lags(self) -> list[int]: ...

    def ask_again(self) -> None:
        """What its user may read has changed."""

    def drain(self, in_s: float) -> None:
        """The server is about to end: say so, and leave in so many seconds."""


class Connections:
    """See the head of this file. What is public may be read from any thread."""

    def __init__(self) -> None:
        self.since = time.time()
        # Who was refused, by the limit that was reached; with which codes connections ended, whoever said it.
        self.refused: Counter[str] = Counter()
        self.closes: Counter[int] = Counter()
        # Of those that have left.
        self.past = Tally()
        # The counter of changed rights that the readers have seen; None before the first look.
        self.rights: int | None = None
        self._members: set[Member] = set()
        self._strangers: Counter[str] = Counter()
        self._strangers_since = -float(MINUTE_S)
        self._draining = False
        self._left = asyncio.Event()

    @property
    def count(self) -> int:
        """How many are in."""
        return len(self._members)

    @property
    def members(self) -> list[Member]:
        """Who is in."""
        return list(self._members)

    def check(self, who: str, address: str | None) -> None:
        """Raise Refused if there is no place for one more of this user from this address."""
        cap = self._reached(who, address)
        if cap is None:
            return
        self.refused[cap] += 1
        later = option("RETRY_CAP_MS") / 1000
        if cap == "drain":
            raise Refused(CloseCode.RESTART, 503, option("RETRY_FIRST_MAX_MS") / 1000, unseen=True)
        if cap == "process":
            raise Refused(CloseCode.OVERLOADED, 503, later, unseen=True)
        raise Refused(CloseCode.TOO_MANY_CONNECTIONS, 429, later)

    def _reached(self, who: str, address: str | None) -> Cap | None:
        if self._draining:
            return "drain"
        if self.count >= option("MAX_CONNECTIONS"):
            return "process"
        if sum(member.who == who for member in self._members) >= option("MAX_PER_USER"):
            return "user"
        if address is not None:
            from_there = sum(member.address == address for member in self._members)
            return "address" if from_there >= option("MAX_PER_ADDRESS") else None
        return None

    @contextmanager
    def entered(self, member: Member) -> Iterator[None]:
        """In until the block ends; raises Refused."""
        self.check(member.who, member.address)
        self._members.add(member)
        try:
            yield
        finally:
            self._members.discard(member)
            self._left.set()
            self._note_end(member)

    def _note_end(self, member: Member) -> None:
        code = member.left_with if member.close_code is None else member.close_code
        if code is not None:
            self.closes[int(code)] += 1
        self.past.messages += member.tally.messages
        self.past.bytes += member.tally.bytes
        self.past.resets += member.tally.resets

    async def drain(self) -> None:
        """Let nobody in any more, and have everybody leave, each at a moment of chance of its own.

        Few are gone at once, many over DRAIN_S: whoever serves them next is not overrun. Those that have not
        left by then (their peers do not read) are left to the server.
        """
        self._draining = True
        window_s = min(self.count / option("DRAIN_PER_S"), option("DRAIN_S") * _LEAVING)
        for member in self._members:
            member.drain(_chance.uniform(0, window_s))
        with suppress(TimeoutError):
            async with asyncio.timeout(option("DRAIN_S")):
                while self._members:
                    self._left.clear()
                    await self._left.wait()

    def stranger(self, address: str | None) -> Refused:
        """What to answer to somebody who is not signed in."""
        now = time.monotonic()
        if now - self._strangers_since >= MINUTE_S:
            self._strangers.clear()
            self._strangers_since = now
        if address is not None:
            self._strangers[address] += 1
            if self._strangers[address] > option("STRANGERS_PER_MINUTE"):
                self.refused["strangers"] += 1
                return Refused(CloseCode.TOO_MANY_CONNECTIONS, 429, MINUTE_S, unseen=True)
        self.closes[int(CloseCode.NOT_SIGNED_IN)] += 1
        return Refused(CloseCode.NOT_SIGNED_IN, 401)

    def rights_are(self, counter: int, who: frozenset[str] | None) -> None:
        """A reader has found the counter of changed rights there; it concerns these, or everybody."""
        self.rights = counter
        for member in self._members:
            if who is None or member.who in who:
                member.ask_again()


def address_of(scope: Mapping[str, Any]) -> str | None:
    """Where a client is, as far as that is to be counted: not on this machine, and IPv6 by its network."""
    client = scope.get("client")
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0]) if client else None
    except ValueError:  # a UNIX socket, or a server that says something else
        return None
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address is None or address.is_loopback:
        return None
    if address.version == 6:
        return str(ipaddress.ip_network((address, IPV6_NETWORK_BITS), strict=False))
    return str(address)


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Connections] = WeakKeyDictionary()


def connections() -> Connections:
    """Those of the running loop."""
    return _by_loop.setdefault(asyncio.get_running_loop(), Connections())


def all_connections() -> list[Connections]:
    """Those of every loop of this process: one, but for tests. From any thread."""
    return list(_by_loop.values())


async def drain() -> None:
    """Tell every client of this process to come back elsewhere or later; takes DRAIN_S at most.

    For whoever starts a server: before it closes its sockets. `livefeed.drain` is the same.
    """
    await connections().drain()
