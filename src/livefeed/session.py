"""PURE: one reader's conversation over one socket. No I/O, no clock: time is an argument, messages are text.

PROMISE. For each subscription the `ev` messages are contiguous: the first has `prev` = the cursor the client
came with, each following one has `prev` = the `to` before it. Whatever cannot be served so ends in an
announced `reset`, `err` or close, never in silence. `end` comes after every event of a closed feed.

WHY. `deliver` refuses frames that do not begin where the last one ended, and nothing else moves `sent`. Every
news of the feed (`moved`) is held against `sent` before it is believed.

`livefeed.conversation` calls in: `receive` for each client message, `opened` or `refused` for each
subscription it got back, `moved` and `deliver` with what the feed's reader knows, `tick` when `deadline`
is reached; and takes out: `next_message` until None, `wanted` (frames to bring), `close_code`. A client owns
no queue of events: a subscription holds one batch, and the next is wanted when that has been sent and the
window is open.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from livefeed import protocol
from livefeed.protocol import CloseCode

# Control messages (pong, err, subok, …) that wait while the peer does not read: past this the shell stops
# reading from the client, so that nobody can make us hoard.
MAX_WAITING: Final = 64


@dataclass(frozen=True)
class Limits:
    """Times in seconds, windows in bytes; livefeed.conf gives the reasons."""

    hello_s: float
    heartbeat_s: float
    quiet_s: float
    dead_s: float
    ack_timeout_s: float
    window_min: int
    window_max: int
    ack_fast_s: float
    ack_slow_s: float
    too_far_events: int
    max_subscriptions: int
    messages_per_s: float
    messages_burst: int
    retry_first_max_ms: int
    retry_cap_ms: int


@dataclass(frozen=True)
class Head:
    """Where a feed stands."""

    epoch: str
    first: int
    head: int
    closed: bool


@dataclass(frozen=True)
class Encoded:
    """Events `prev+1 … to`, ready to send but for the subscription's id; `size` in bytes."""

    prev: int
    to: int
    tail: str
    size: int


@dataclass(eq=False)
class Subscription:
    """One feed on one socket. The shell uses it as a token: an id may come back, this object does not."""

    id: int
    feed: str
    epoch: str | None
    after: int
    at: Head = field(default_factory=lambda: Head("", 1, 0, False))
    sent: int = 0
    acked: int = 0
    behind: bool = True  # `caught_up` is due when the head is reached
    ended: int | None = None  # the seq that `end` was sent for
    progress_at: float = 0.0  # last ack that moved, or the first event outstanding since
    batch: deque[Encoded] = field(default_factory=deque)
    outstanding: deque[tuple[int, int, float]] = field(default_factory=deque)  # (to, size, sent at)


@dataclass
class Tally:
    """What was sent: messages with events, the bytes of these events, and resets by their reason."""

    messages: int = 0
    bytes: int = 0
    resets: Counter[str] = field(default_factory=Counter)


class Session:
    """See the head of this file."""

    def __init__(self, limits: Limits, conn: str, now: float) -> None:
        self.close_code: int | None = None
        self.tally = Tally()
        self._limits = limits
        self._conn = conn
        self._began_at = now
        self._greeted = False
        self._subs: dict[int, Subscription] = {}
        self._standing: tuple[Subscription, ...] = ()  # of these, in the order of their turns
        self._waiting: deque[str] = deque()
        self._window = limits.window_min
        self._in_flight = 0
        self._heartbeat_at = now + limits.heartbeat_s
        self._quiet_at: float | None = None
        self._drained_at = math.inf
        self._allowance = float(limits.messages_burst)
        self._allowance_at = now

    # -- what the client says -------------------------------------------------------------------------------

    def receive(self, text: str, now: float) -> Subscription | None:
        """One client message. A Subscription in the answer asks the shell: may this user read this feed?"""
        if self.close_code is not None:
            return None
        if (
            len(text) > protocol.MAX_MESSAGE_BYTES
            or len(text.encode(errors="replace")) > protocol.MAX_MESSAGE_BYTES
        ):
            self.close(CloseCode.TOO_BIG)
            return None
        try:
            message = protocol.parse(text)
        except protocol.NotUnderstood:
            self.close(CloseCode.NOT_UNDERSTOOD)
            return None
        if not self._greeted and not isinstance(message, protocol.Hello):
            self.close(CloseCode.NO_HELLO)
            return None
        # As many of these as we have sent messages, so they need no other bound.
        if isinstance(message, protocol.Ack) and self._acknowledge(message.id, message.seq, now):
            return None
        if not self._may_say_more(now):
            self.close(CloseCode.TOO_MANY_MESSAGES)
            return None
        match message:
            case protocol.Hello():
                self._greet()
            case protocol.Sub():
                return self._subscribe(message)
            case protocol.Unsub(number):
                self._drop(number)
            case protocol.Ping(n):
                self._waiting.append(protocol.pong(n))
        return None

    def close(self, code: int) -> None:
        """End the conversation with this close code once what waits has been sent."""
        if self.close_code is None:
            self.close_code = code
            for number in list(self._subs):
                self._drop(number)

    def drain(self, now: float, in_s: float) -> None:
        """Say that the server is about to end, and close this many seconds from now."""
        if self._drained_at == math.inf:
            self._drained_at = now + in_s
            if self._greeted:
                self._waiting.append(protocol.drain(round(in_s * 1000), self._limits.retry_first_max_ms))

    def _greet(self) -> None:
        limits = self._limits
        self._greeted = True
        self._waiting.append(
            protocol.welcome(
                self._conn, limits.heartbeat_s, limits.dead_s, limits.retry_first_max_ms, limits.retry_cap_ms
            )
        )

    def _subscribe(self, message: protocol.Sub) -> Subscription | None:
        if not message.valid or message.id in self._subs:
            self._waiting.append(protocol.err(message.id, "bad"))
            return None
        if len(self._subs) >= self._limits.max_subscriptions:
            self._waiting.append(protocol.err(message.id, "busy", self._limits.retry_cap_ms))
            return None
        sub = Subscription(message.id, message.feed, message.epoch, message.after)
        self._subs[sub.id] = sub
        return sub

    def _may_say_more(self, now: float) -> bool:
        """Is there room in the client's bucket for one more message now?"""
        filled = self._allowance + (now - self._allowance_at) * self._limits.messages_per_s
        self._allowance_at = now
        self._allowance = min(filled, self._limits.messages_burst) - 1
        return self._allowance >= 0

    def _acknowledge(self, number: int, seq: int, now: float) -> bool:
        """Note an ack; True if it was for a message that we have sent and not had back."""
        sub = self._subs.get(number)
        if sub is None or seq <= sub.acked:
            return False
        sub.acked = min(seq, sub.sent)  # a client that acknowledges what it was not sent harms only itself
        sub.progress_at = now
        took = None
        while sub.outstanding and sub.outstanding[0][0] <= sub.acked:
            _, size, sent_at = sub.outstanding.popleft()
            self._in_flight -= size
            took = now - sent_at
        if took is None:
            return False
        self._resize(took)
        return True

    def _resize(self, took: float) -> None:
        if took < self._limits.ack_fast_s:
            self._window = min(self._window * 2, self._limits.window_max)
        elif took > self._limits.ack_slow_s:
            self._window = max(self._window // 2, self._limits.window_min)

    # -- what the shell answers -----------------------------------------------------------------------------

    def opened(self, sub: Subscription, at: Head, now: float) -> None:
        """The user may read; `at` was read after the shell had begun to watch the feed."""
        if not self.holds(sub):
            return
        if self._reset_if_needed(sub, at, sub.after, sub.epoch):
            return
        sub.at = at
        self._standing += (sub,)
        sub.sent = sub.acked = sub.after
        sub.progress_at = now
        self._waiting.append(protocol.subok(sub.id, at.epoch, at.first, at.head, sub.after, at.closed))

    def refused(self, sub: Subscription, code: str) -> None:
        """The subscription cannot stand, or no longer: `forbidden` or `not_found`."""
        if not self.holds(sub):
            return
        self._waiting.append(protocol.err(sub.id, code))
        self._drop(sub.id)
        if code == "forbidden" and not self._subs:
            self.close(CloseCode.FORBIDDEN)

    def moved(self, sub: Subscription, at: Head) -> None:
        """The feed stands there now."""
        if sub not in self._standing or at is sub.at or at == sub.at:
            return
        if self._reset_if_needed(sub, at, sub.sent, sub.at.epoch):
            return
        if not at.closed:
            sub.ended = None
        sub.at = at

    def deliver(self, sub: Subscription, frames: Iterable[Encoded]) -> None:
        """Frames that were wanted. Raises ValueError where they do not join what has been sent."""
        if not self.holds(sub):
            return
        cursor = sub.batch[-1].to if sub.batch else sub.sent
        for frame in frames:
            if frame.prev != cursor or frame.to <= cursor:
                raise ValueError(f"subscription stands at {cursor}, frame is {frame.prev} to {frame.to}")
            sub.batch.append(frame)
            cursor = frame.to

    def holds(self, sub: Subscription) -> bool:
        """Is this subscription still on this socket?"""
        return self._subs.get(sub.id) is sub

    @property
    def subscriptions(self) -> Sequence[Subscription]:
        """Those that stand."""
        return self._standing

    @property
    def held(self) -> Sequence[Subscription]:
        """All of them, those included that the shell has not answered yet."""
        return list(self._subs.values())

    @property
    def congested(self) -> bool:
        """True while the shell should not take more from the client."""
        return len(self._waiting) >= MAX_WAITING

    @property
    def has_work(self) -> bool:
        """Is there anything that could be sent or brought now?"""
        if self._waiting or self._in_flight >= self._window:
            return bool(self._waiting)
        return any(sub.batch or sub.sent < sub.at.head for sub in self._standing)

    # -- time -----------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Look at the deadlines."""
        if now >= self._drained_at:
            self.close(CloseCode.COME_BACK)
            return
        if not self._greeted:
            if now >= self._began_at + self._limits.hello_s:
                self.close(CloseCode.NO_HELLO)
            return
        stuck = self._limits.ack_timeout_s
        if any(sub.outstanding and now >= sub.progress_at + stuck for sub in self._standing):
            self.close(CloseCode.NO_PROGRESS)
            return
        quiet = self._quiet_at is not None and now >= self._quiet_at
        if quiet and any(sub.sent < sub.at.head for sub in self._standing):
            self._quiet_at = now + self._limits.quiet_s  # held up by the window: not quiet yet
            quiet = False
        if quiet or now >= self._heartbeat_at:
            self._heartbeat_at = now + self._limits.heartbeat_s
            self._quiet_at = None
            self._waiting.append("")  # filled in when it is sent: a heartbeat states what is true then

    def deadline(self) -> float:
        """When `tick` must be called at the latest."""
        times = [
            self._drained_at,
            self._heartbeat_at if self._greeted else self._began_at + self._limits.hello_s,
        ]
        if self._quiet_at is not None:
            times.append(self._quiet_at)
        times += [sub.progress_at + self._limits.ack_timeout_s for sub in self._standing if sub.outstanding]
        return min(times)

    # -- what is to be done ---------------------------------------------------------------------------------

    def wanted(self) -> list[tuple[Subscription, int]]:
        """Subscriptions that could send more than they hold, and the seq after which to read."""
        if self._in_flight >= self._window:
            return []
        return [(sub, sub.sent) for sub in self._standing if not sub.batch and sub.sent < sub.at.head]

    def next_message(self, now: float, now_ms: int) -> str | None:
        """The next message to send, or None until something happens."""
        if self._waiting:
            return self._waiting.popleft() or self._heartbeat(now_ms)
        for number, sub in enumerate(self._standing):
            message = self._event(sub, now) or self._milestone(sub)
            if message:
                # The next one's turn: nobody starves behind a busy feed.
                self._standing = self._standing[number + 1 :] + self._standing[: number + 1]
                return message
        return None

    def _event(self, sub: Subscription, now: float) -> str | None:
        if self._in_flight >= self._window:
            sub.behind |= sub.sent < sub.at.head
            return None
        if not sub.batch:
            return None
        frame = sub.batch.popleft()
        if not sub.outstanding:
            sub.progress_at = now
        sub.outstanding.append((frame.to, frame.size, now))
        self._in_flight += frame.size
        self.tally.messages += 1
        self.tally.bytes += frame.size
        sub.sent = frame.to
        self._quiet_at = now + self._limits.quiet_s
        return protocol.ev(sub.id, frame.tail)

    def _milestone(self, sub: Subscription) -> str | None:
        if sub.sent != sub.at.head:
            return None
        if sub.behind:
            sub.behind = False
            return protocol.caught_up(sub.id, sub.sent)
        if sub.at.closed and sub.ended != sub.sent:
            sub.ended = sub.sent
            return protocol.end(sub.id, sub.sent)
        return None

    def _heartbeat(self, now_ms: int) -> str:
        return protocol.hb(now_ms, {sub.id: sub.at.head for sub in self._standing})

    def _reset_if_needed(self, sub: Subscription, at: Head, cursor: int, epoch: str | None) -> bool:
        reason = protocol.reset_reason(
            epoch,
            cursor,
            current=at.epoch,
            first=at.first,
            head=at.head,
            too_far=self._limits.too_far_events,
        )
        if reason is None:
            return False
        self.tally.resets[reason] += 1
        self._waiting.append(protocol.reset(sub.id, reason, at.epoch, at.first, at.head))
        self._drop(sub.id)
        return True

    def _drop(self, number: int) -> None:
        sub = self._subs.pop(number, None)
        if sub is not None:
            self._standing = tuple(each for each in self._standing if each is not sub)
            self._in_flight -= sum(size for _, size, _ in sub.outstanding)
