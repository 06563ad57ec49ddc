"""The session as a machine: whatever happens in whatever order, a client applies the log, once, in order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from typing_extensions import override

from livefeed import protocol
from livefeed.session import MAX_WAITING, Encoded, Head, Limits, Session, Subscription

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
    retry_first_max_ms=5000,
    retry_cap_ms=30000,
)


class Log:
    """A feed: frames of numbered events."""

    def __init__(self) -> None:
        self.epoch = 0
        self.frames: list[Encoded] = []
        self.items: list[str] = []
        self.past: dict[str, list[str]] = {}  # what earlier epochs held
        self.closed = False

    @property
    def head(self) -> int:
        return self.frames[-1].to if self.frames else 0

    def at(self) -> Head:
        return Head(f"epoch {self.epoch}", 1, self.head, self.closed)

    def restore(self) -> None:
        """An older backup: its events are the same, what follows will not be."""
        self.past[self.at().epoch] = self.items[:]
        self.epoch += 1
        del self.frames[1:]
        del self.items[self.head :]

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


class Conversation(RuleBasedStateMachine):
    """One client, which comes back with its cursor after every cut, and a shell as lazy as it may be."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.log = Log()
        self.epoch: str | None = None
        self.applied: list[str] = []
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

    # -- the shell

    @rule()
    def notice(self) -> None:
        assert self.sub is not None
        self.session.moved(self.sub, self.log.at())

    @rule(most=st.integers(0, 3))
    def bring(self, most: int) -> None:
        for sub, after in self.session.wanted():
            if sub.at.epoch == self.log.at().epoch:
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
                self.applied += self.log.items[len(self.applied) :]
                self.epoch = message["epoch"]
        else:
            self.applied, self.epoch = [], None
        self.caught_up_at = self.ended_at = None
        if self.session.close_code is None:
            self.subscribe()

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
            assert self.applied == items[: len(self.applied)]

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
        assert self.applied == self.log.items
        assert self.caught_up_at is not None
        assert self.ended_at == (self.log.head if self.log.closed else None)


TestConversation = Conversation.TestCase
TestConversation.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def opened(head: int = 0, **changes: Any) -> tuple[Session, Subscription]:
    """A session with one subscription to a feed at `head`, from 0."""
    session = Session(Limits(**(vars(LIMITS) | changes)), "c", 0)
    session.receive('{"t":"hello"}', 0)
    sub = session.receive('{"t":"sub","id":1,"feed":"f","epoch":null,"after":0}', 0)
    assert sub is not None
    session.opened(sub, Head("e", 1, head, False), 0)
    return session, sub


def said(session: Session, now: float = 0) -> list[dict[str, Any]]:
    """Everything the session has to say now."""
    heard = []
    while (text := session.next_message(now, 1000)) is not None:
        heard.append(json.loads(text))
    return heard


def test_quick_acks_open_the_window_and_slow_ones_close_it() -> None:
    log = Log()
    for _ in range(200):
        log.grow(1)
    session, sub = opened(50)
    now, sizes = 0.0, []
    for delay in (0.1, 0.1, 0.1, 0.1, 3, 6, 6, 6, 6):
        session.moved(sub, Head("e", 1, min(sub.sent + 50, 200), False))
        while session.wanted():
            session.deliver(sub, log.after(sub.sent, sub.at.head, 1))
            if not [message for message in said(session, now) if message["t"] == "ev"]:
                break
        sizes.append(session._in_flight)
        now += delay
        session.receive(json.dumps({"t": "ack", "id": 1, "seq": sub.sent}), now)
    windows = [max(w for w in (200, 400, 800, 1600) if w <= max(size, 200)) for size in sizes]
    assert windows == [200, 400, 800, 1600, 1600, 1600, 800, 400, 200]


def test_a_frame_that_does_not_join_is_never_sent() -> None:
    session, sub = opened(10)
    log = Log()
    log.grow(5)
    log.grow(5)
    with pytest.raises(ValueError, match="stands at 0"):
        session.deliver(sub, log.after(5, 10, 1))


def test_heads_are_stated_every_20_s_and_once_the_tail_is_quiet() -> None:
    session, sub = opened(3)
    log = Log()
    log.grow(3)
    session.deliver(sub, log.frames)
    assert [message["t"] for message in said(session)] == ["welcome", "subok", "ev", "caught_up"]
    assert session.deadline() == 1
    session.tick(1)
    assert said(session, 1) == [{"t": "hb", "now": 1000, "heads": {"1": 3}}]
    session.receive('{"t":"ack","id":1,"seq":3}', 1)
    assert session.deadline() == 21


def test_an_id_in_use_and_one_subscription_too_many_are_refused() -> None:
    session, _ = opened()
    said(session)
    assert session.receive('{"t":"sub","id":1,"feed":"g","epoch":null,"after":0}', 0) is None
    for number in (2, 3, 4):
        session.receive(json.dumps({"t": "sub", "id": number, "feed": "f", "epoch": None, "after": 0}), 0)
    assert said(session) == [
        {"t": "err", "id": 1, "code": "bad"},
        {"t": "err", "id": 4, "code": "busy", "retry_ms": 30000},
    ]


def test_a_feed_that_is_not_read_cannot_be_used_to_hoard() -> None:
    session, _ = opened()
    for n in range(MAX_WAITING):
        session.receive(json.dumps({"t": "ping", "n": n}), 0)
    assert session.congested
    said(session)
    assert not session.congested


def filled(frames: int, **changes: Any) -> tuple[Session, Subscription, Log]:
    """A session that holds all of a feed of so many frames of one event each."""
    log = Log()
    for _ in range(frames):
        log.grow(1)
    session, sub = opened(frames, **changes)
    session.deliver(sub, log.frames)
    return session, sub, log


def ack(session: Session, seq: int, now: float) -> None:
    session.receive(json.dumps({"t": "ack", "id": 1, "seq": seq}), now)


def test_a_full_window_holds_the_rest_back_and_the_head_is_announced_again() -> None:
    session, sub, _ = filled(12)
    first = [message for message in said(session) if message["t"] == "ev"]
    assert 0 < len(first) < 6
    session.tick(1)
    assert said(session, 1) == [], "held up is not quiet"
    assert session.deadline() > 1
    later = []
    for now in range(2, 40):
        ack(session, sub.sent, now)
        later += said(session, now)
    assert [message["t"] for message in later if message["t"] != "hb"] == ["ev"] * (12 - len(first)) + [
        "caught_up"
    ]


def test_an_ack_from_the_future_counts_for_what_was_sent_only() -> None:
    session, sub, log = filled(2)
    said(session)
    ack(session, 10**20, 1)
    log.grow(1)
    session.moved(sub, Head("e", 1, 3, False))
    session.deliver(sub, log.after(2, 3, 1))
    said(session, 2)
    ack(session, 3, 3)
    session.tick(100)
    assert session.close_code is None


def test_no_progress_is_counted_from_the_first_event_outstanding() -> None:
    session, sub, log = filled(0)
    log.grow(1)
    session.moved(sub, Head("e", 1, 1, False))
    session.deliver(sub, log.frames)
    said(session, 100)
    session.tick(144)
    assert session.close_code is None
    session.tick(145)
    assert session.close_code == 4001


def test_what_was_left_does_not_fill_the_window() -> None:
    session, _, log = filled(12)
    said(session)
    session.receive('{"t":"unsub","id":1}', 0)
    sub = session.receive('{"t":"sub","id":2,"feed":"f","epoch":null,"after":0}', 0)
    assert sub is not None
    session.opened(sub, Head("e", 1, 12, False), 0)
    session.deliver(sub, log.frames)
    assert [message["t"] for message in said(session)][:2] == ["subok", "ev"]


def test_a_feed_that_is_reopened_ends_again() -> None:
    session, sub, _ = filled(1)
    said(session)
    for closed, heard in ((True, ["end"]), (True, []), (False, []), (True, ["end"])):
        session.moved(sub, Head("e", 1, 1, closed))
        assert [message["t"] for message in said(session)] == heard


def test_a_head_that_fell_behind_is_announced_when_it_is_reached_again() -> None:
    session, sub, log = filled(0)
    assert [message["t"] for message in said(session)] == ["welcome", "subok", "caught_up"]
    for count, news in ((1, ["ev"]), (12, ["ev"] * 12 + ["caught_up"])):  # the first fits into the window
        for _ in range(count):
            log.grow(1)
        session.moved(sub, Head("e", 1, log.head, False))
        session.deliver(sub, log.after(sub.sent, log.head, 99))
        heard = said(session)
        for _ in range(20):
            ack(session, sub.sent, 0.1)
            heard += said(session, 0.1)
        assert [message["t"] for message in heard] == news


def test_a_foreign_epoch_is_reset_at_the_door_and_later() -> None:
    session, sub, _ = filled(1)
    said(session)
    session.moved(sub, Head("another", 1, 100, False))
    assert [message.get("reason") for message in said(session)] == ["epoch"]
    asked = session.receive('{"t":"sub","id":9,"feed":"f","epoch":"e","after":1}', 0)
    assert asked is not None
    session.opened(asked, Head("another", 1, 100, False), 0)
    assert [message.get("reason") for message in said(session)] == ["epoch"]
