"""The session in single situations: windows, deadlines, heads, resets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from livefeed.session import MAX_WAITING, Head, Limits, Session, Subscription
from tests.livefeed.feed_in_memory import LIMITS, Log


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


def test_subscriptions_take_turns() -> None:
    """A feed that always has more holds up no other on its socket."""
    session, busy = opened(30, window_min=10_000)
    other = session.receive('{"t":"sub","id":2,"feed":"g","epoch":null,"after":0}', 0)
    assert other is not None
    session.opened(other, Head("e", 1, 30, False), 0)
    said(session)
    log = Log()
    for _ in range(30):
        log.grow(1)
    session.deliver(busy, log.frames[:4])
    session.deliver(other, log.frames[:2])
    assert [(message["id"], message["to"]) for message in said(session)] == [
        *((1, 1), (2, 1), (1, 2), (2, 2)),
        *((1, 3), (1, 4)),
    ]


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
