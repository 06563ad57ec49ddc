"""A feed in memory for tests of the session: what the log and a reader of it would say."""

from __future__ import annotations

import json

from livefeed import protocol
from livefeed.session import Encoded, Head, Limits

LIMITS = Limits(
    hello_s=5,
    heartbeat_s=20,
    quiet_s=1,
    dead_s=70,
    ack_timeout_s=45,
    window_min=200,
    window_max=1600,
    ack_fast_s=1,
    ack_slow_s=5,
    too_far_events=50,
    max_subscriptions=3,
    messages_per_s=1000,
    messages_burst=1000,
    retry_first_max_ms=5000,
    retry_cap_ms=30000,
)


class Log:
    """A feed: frames of numbered events."""

    def __init__(self) -> None:
        self.epoch = 0
        self.first = 1
        self.frames: list[Encoded] = []
        self.items: list[str] = []
        self.past: dict[str, list[str]] = {}  # what earlier epochs held
        self.closed = False

    @property
    def head(self) -> int:
        return self.frames[-1].to if self.frames else self.first - 1

    def at(self) -> Head:
        return Head(f"epoch {self.epoch}", self.first, self.head, self.closed)

    def restore(self) -> None:
        """An older backup: its events are the same, what follows will not be."""
        self.past[self.at().epoch] = self.items[:]
        self.epoch += 1
        del self.frames[1:]  # what the backup knew of pruning is that of now
        del self.items[self.head :]

    def prune(self, frames: int) -> None:
        """The oldest frames go."""
        gone, self.frames = self.frames[:frames], self.frames[frames:]
        self.first = gone[-1].to + 1 if gone else self.first

    def grow(self, count: int) -> None:
        self.items += [f"{self.epoch}/{seq}" for seq in range(self.head + 1, self.head + count + 1)]
        self.frames.append(self.frame(self.head, self.head + count))

    def frame(self, prev: int, to: int) -> Encoded:
        tail = protocol.ev_tail(prev, to, json.dumps([["t", "line", None, 0, prev + 1, self.items[prev:to]]]))
        return Encoded(prev, to, tail, len(tail))

    def after(self, cursor: int, head: int, most: int) -> list[Encoded]:
        """Up to `most` frames after a cursor; one that stands inside a frame gets the rest of it."""
        found = [frame for frame in self.frames if cursor < frame.to <= head][:most]
        if found and found[0].prev < cursor:
            found[0] = self.frame(cursor, found[0].to)
        return found
