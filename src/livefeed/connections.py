"""The live connections of one event loop: the one place that knows all of them.

PROMISE. Whoever has entered is reached by what concerns everybody, from the moment of entering to that of
leaving; leaving is the end of a `with` block, so whatever is cancelled or fails, nobody stays behind.

Everything here happens on the loop, without a wait in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakKeyDictionary


class Member(Protocol):
    """A conversation, as far as it is known here. `who` is its user, by `livefeed.rights.who_is`."""

    who: str

    def ask_again(self) -> None:
        """What its user may read has changed."""


class Connections:
    """See the head of this file."""

    def __init__(self) -> None:
        # The counter of changed rights that the readers have seen; None before the first look.
        self.rights: int | None = None
        self._members: set[Member] = set()

    @contextmanager
    def entered(self, member: Member) -> Iterator[None]:
        """Known here until the block ends."""
        self._members.add(member)
        try:
            yield
        finally:
            self._members.discard(member)

    def rights_are(self, counter: int, who: frozenset[str] | None) -> None:
        """A reader has found the counter of changed rights there; it concerns these, or everybody."""
        self.rights = counter
        for member in self._members:
            if who is None or member.who in who:
                member.ask_again()


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Connections] = WeakKeyDictionary()


def connections() -> Connections:
    """Those of the running loop."""
    return _by_loop.setdefault(asyncio.get_running_loop(), Connections())
