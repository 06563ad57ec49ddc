"""How the live feed of this process stands, for whoever looks after it.

    from livefeed.metrics import snapshot
    snapshot().lag

Counted in memory, by the process that serves and since its first connection: several web processes have a
snapshot each. Reading one costs less than a page; counting costs an addition or two a message.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from livefeed.connections import all_connections
from livefeed.reader import all_readers


@dataclass(frozen=True)
class Snapshot:
    """Figures of one process: how things stand now, and what has happened since `since_ms`."""

    # Unix time in milliseconds of the first connection; None before that.
    since_ms: int | None
    # Connections that are open, by transport: `socket`, `stream`, `poll`.
    connections: dict[str, int]
    subscriptions: int
    # Feeds that are followed: those with subscriptions, and for a while those that had some.
    readers: int
    # The most events that one subscription has not acknowledged yet, sent or not.
    lag: int
    # Messages with events that were sent, and the bytes of these events.
    messages: int
    bytes: int
    # Cursors that could not be served, by the reason of docs/protocol.md, section 5.
    resets: dict[str, int]
    # Ends of connections by close code, whoever said it; 1005 and 1006 are those of connections that broke.
    closes: dict[int, int]
    # Clients that found no place, by what was reached: `user`, `address`, `process`, `strangers`, `drain`.
    refused: dict[str, int]
    # Events that the safety poll found and nobody had rung for. A few are chance, many a doorbell that fails.
    bell_misses: int
    # Feeds that could no longer be followed; their clients came back for another try.
    reader_failures: int


def snapshot() -> Snapshot:
    """The figures as of now. From any thread; changes under way may be in one figure and not in another."""
    houses, readers = all_connections(), all_readers()
    members = [member for house in houses for member in house.members]
    tallies = [house.past for house in houses] + [member.tally for member in members]
    lags = [lag for member in members for lag in member.lags]
    resets, closes, refused = Counter[str](), Counter[int](), Counter[str]()
    for tally in tallies:
        resets.update(dict(tally.resets))
    for house in houses:
        closes.update(dict(house.closes))
        refused.update(dict(house.refused))
    return Snapshot(
        since_ms=int(min(house.since for house in houses) * 1000) if houses else None,
        connections=dict(Counter[str](member.transport for member in members)),
        subscriptions=len(lags),
        readers=sum(house.count for house in readers),
        lag=max(lags, default=0),
        messages=sum(tally.messages for tally in tallies),
        bytes=sum(tally.bytes for tally in tallies),
        resets=dict(resets),
        closes=dict(sorted(closes.items())),
        refused=dict(refused),
        bell_misses=sum(house.bell_misses for house in readers),
        reader_failures=sum(house.failures for house in readers),
    )
