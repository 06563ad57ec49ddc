"""The session as a machine: whatever happens in whatever order, a client applies the log, once, in order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from typing_extensions import override

from livefeed.session import MAX_WAITING, Session, Subscription
from tests.livefeed.feed_in_memory import LIMITS, Log


class Conversation(RuleBasedStateMachine):
    """One client, which comes back with its cursor after every cut, and a shell as lazy as it may be."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.log = Log()
        self.epoch: str | None = None
        self.applied: list[str | None] = []  # None: announced as pruned
        self.ended_at: int | None = None
        self.reopened = False
        self.caught_up_at: int | None = None
        self.pending: list[dict[str, Any]] = []  # on the wire, server to client
        self.number = 0
        self.connect()

    def connect(self) -> None:
        self.session = Session(LIMITS, "c", self.now)
        self.sub: Subscription | None = None
        self.ended_at = None
        self.pending.clear()
        self.say(t="hello")
        self.subscribe()

    def subscribe(self) -> None:
        self.number += 1
        asked = self.say(t="sub", id=self.number, feed="f", epoch=self.epoch, after=len(self.applied))
        assert asked is not None
        self.sub = asked
        self.session.opened(asked, self.log.at(), self.now)

    def say(self, **message: Any) -> Subscription | None:
        return self.session.receive(json.dumps(message), self.now)

    # -- the feed

    @rule(count=st.integers(1, 12))
    def append(self, count: int) -> None:
        self.log.grow(count)

    @rule()
    def close(self) -> None:
        self.log.closed = True

    @rule()
    def reopen(self) -> None:
        self.log.closed = False
        self.reopened = True

    @rule()
    def restore(self) -> None:
        self.log.restore()

    @rule(frames=st.integers(1, 3))
    def prune(self, frames: int) -> None:
        self.log.prune(frames)

    # -- the shell

    @rule()
    def notice(self) -> None:
        assert self.sub is not None
        self.session.moved(self.sub, self.log.at())

    @rule(most=st.integers(0, 3))
    def bring(self, most: int) -> None:
        for sub, after in self.session.wanted():
            kept = after >= self.log.first - 1  # else the reader finds out, and looks again
            if kept and sub.at.epoch == self.log.at().epoch:
                self.session.deliver(sub, self.log.after(after, sub.at.head, most))

    @rule(most=st.integers(1, 8))
    def send(self, most: int) -> None:
        for _ in range(most):
            text = self.session.next_message(self.now, 0)
            if text is None:
                return
            self.pending.append(json.loads(text))

    # -- the client

    @rule(most=st.integers(1, 8))
    def hear(self, most: int) -> None:
        for message in [self.pending.pop(0) for _ in range(min(most, len(self.pending)))]:
            if message.get("id", self.number) == self.number:
                self.understand(message)

    def understand(self, message: dict[str, Any]) -> None:
        match message["t"]:
            case "subok":
                self.epoch = message["epoch"]
            case "ev":
                assert message["prev"] == len(self.applied), "every message joins the cursor"
                self.applied += [item for group in message["g"] for item in group[5]]
                self.ended_at = None
            case "caught_up":
                assert message["seq"] == len(self.applied)
                self.caught_up_at = message["seq"]
            case "end":
                assert message["seq"] == len(self.applied), "the end comes after every event"
                assert self.ended_at is None or self.reopened, "and once"
                self.reopened = False
                self.ended_at = message["seq"]
            case "reset":
                self.obey(message)

    def obey(self, message: dict[str, Any]) -> None:
        if message["reason"] == "too_far":  # history pages
            if message["epoch"] == self.log.at().epoch:
                self.lose(self.log.first - 1)
                self.applied += self.log.items[len(self.applied) :]
                self.epoch = message["epoch"]
        elif message["reason"] == "pruned":
            assert message["first"] - 1 > len(self.applied), "what is told as pruned was still to come"
            self.lose(message["first"] - 1)
            self.epoch = message["epoch"]
        else:
            self.applied, self.epoch = [], None
        self.caught_up_at = self.ended_at = None
        if self.session.close_code is None:
            self.subscribe()

    def lose(self, until: int) -> None:
        """What is no longer kept: a page or a `pruned` said so."""
        self.applied += [None] * (until - len(self.applied))

    @rule(lie=st.sampled_from([0, 0, 0, -5, 5, 10**20]))
    def acknowledge(self, lie: int) -> None:
        self.say(t="ack", id=self.number, seq=len(self.applied) + lie)

    @rule()
    def cut(self) -> None:
        self.connect()

    @rule(n=st.integers())
    def ping(self, n: int) -> None:
        if not self.session.congested:
            self.say(t="ping", n=n)

    # -- time

    @rule(seconds=st.sampled_from([0.1, 0.5, 2, 6, 21]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= self.session.deadline():
            self.session.tick(self.now)
            assert self.session.close_code is not None or self.session.deadline() > self.now

    @precondition(lambda self: self.session.close_code is not None)
    @rule()
    def come_back(self) -> None:
        assert self.session.close_code == 4001
        self.connect()

    # -- promises

    @invariant()
    def the_client_has_a_prefix_of_the_log(self) -> None:
        if self.epoch is None:
            assert self.applied == []
        else:
            items = self.log.past.get(self.epoch, self.log.items)
            assert same(self.applied, items[: len(self.applied)])

    @invariant()
    def memory_is_bounded(self) -> None:
        assert self.session._in_flight < LIMITS.window_max + 400  # one message may go over the window
        assert len(self.session._waiting) <= MAX_WAITING + 8

    @override
    def teardown(self) -> None:
        """When everybody does their part, the client gets all of it and is told so."""
        self.connect()
        for _ in range(1000):
            self.notice()
            self.bring(3)
            self.send(8)
            if not self.pending:
                break
            self.hear(8)
            self.say(t="ack", id=self.number, seq=len(self.applied))
        else:
            raise AssertionError("the conversation does not come to rest")
        assert same(self.applied, self.log.items)
        assert self.caught_up_at is not None
        assert self.ended_at == (self.log.head if self.log.closed else None)


def same(applied: Sequence[str | None], items: Sequence[str]) -> bool:
    """Each event as it was stored, but for those that were announced as pruned."""
    pairs = zip(applied, items, strict=True) if len(applied) == len(items) else [("", None)]
    return all(mine is None or mine == item for mine, item in pairs)


TestConversation = Conversation.TestCase
TestConversation.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
