"""The oracle of every livefeed test: numbered, hashed lines, and what a client must have made of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import livefeed


def lines(first: int, count: int) -> list[str]:
    """Lines `first …`, each with a hash of its number: neither could be mistaken for another."""
    return [f"{n} {hashlib.sha256(str(n).encode()).hexdigest()[:16]}" for n in range(first, first + count)]


def write(feed: str, count: int, *, per_append: int = 10, lanes: int = 1) -> None:
    """Append `count` more lines to the feed, `per_append` to a transaction, to the lanes in turn."""
    try:
        written = livefeed.head(feed).head
    except livefeed.FeedNotFound:
        written = 0
    for first in range(written + 1, written + count + 1, per_append):
        size = min(per_append, written + count + 1 - first)
        lane = f"t{first // per_append % lanes}"
        livefeed.append(feed, [livefeed.Chunk(lane, "line", lines(first, size))])


@dataclass
class Applied:
    """What one client has applied, in its order."""

    events: list[tuple[int, Any]] = field(default_factory=list)

    def add(self, first: int, items: Sequence[Any]) -> None:
        """A group's events."""
        self.events += enumerate(items, first)

    def add_groups(self, groups: Iterable[Sequence[Any]]) -> None:
        """The groups of a message."""
        for group in groups:
            self.add(group[4], group[5])

    def assert_is_log(self, feed: str, after: int = 0) -> None:
        """Exactly the log from `after` to its head: count, order, hash."""
        stored: list[tuple[int, Any]] = []
        while (page := livefeed.read(feed, stored[-1][0] if stored else after)).to > page.prev:
            for group in page.groups:
                stored += enumerate(group[5], group[4])
        assert [seq for seq, _ in stored] == list(range(after + 1, livefeed.head(feed).head + 1))
        assert [seq for seq, _ in self.events] == [seq for seq, _ in stored]
        assert _digest(self.events) == _digest(stored)


def assert_flat(moments: Iterable[float], window: float) -> None:
    """Nobody comes in a crowd: of ten parts of the window none has more than three times its share."""
    counts = Counter(int(moment / window * 10) for moment in moments)
    assert max(counts.values()) * 10 <= 3 * counts.total(), sorted(counts.items())


def _digest(events: Iterable[tuple[int, Any]]) -> str:
    digest = hashlib.sha256()
    for seq, data in events:
        digest.update(f"{seq} {data!r}\n".encode(errors="backslashreplace"))
    return digest.hexdigest()
