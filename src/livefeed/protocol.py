"""The wire: `livefeed.v1`. Messages in and out, limits and close codes, exactly as docs/protocol.md says.

Pure text in, text out. Which message is sent when is `livefeed.session`'s business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from livefeed.frames import encode

SUBPROTOCOL: Final = "livefeed.v1"
# A client has nothing long to say: the longest message is a `sub` with a key of 200 characters.
MAX_MESSAGE_BYTES: Final = 16 * 1024
# Our messages are flat; what a later version may add and we ignore has room.
MAX_DEPTH: Final = 8
# Keys longer than this do not exist (the column ends there).
MAX_KEY_CHARS: Final = 200
MAX_LANE_CHARS: Final = 64
# The most events in one history page.
PAGE_EVENTS: Final = 5000


class CloseCode(IntEnum):
    """4000–4499: come back with the cursor. 4500–4999: stop."""

    TOO_BIG = 1009
    ERROR = 1011
    RESTART = 1012
    OVERLOADED = 1013
    COME_BACK = 4000
    NO_PROGRESS = 4001
    NO_HELLO = 4003
    READER_FAILED = 4008
    TOO_MANY_CONNECTIONS = 4013
    TOO_MANY_MESSAGES = 4029
    NOT_UNDERSTOOD = 4500
    NOT_SIGNED_IN = 4501
    FORBIDDEN = 4503
    SUBPROTOCOL = 4506


def final_close(code: int) -> bool:
    """True where a client must not come back by itself."""
    return 4500 <= code <= 4999


@dataclass(frozen=True)
class Hello:
    """A client's first message."""


@dataclass(frozen=True)
class Sub:
    """Subscribe; `valid` is False where a field other than `id` is not what it must be.

    `ended`: the client knows that the feed has ended (a long poll says so).
    """

    id: int
    feed: str = ""
    epoch: str | None = None
    after: int = 0
    valid: bool = True
    ended: bool = False


@dataclass(frozen=True)
class Unsub:
    """End a subscription."""

    id: int


@dataclass(frozen=True)
class Ack:
    """Everything up to `seq` has been applied."""

    id: int
    seq: int


@dataclass(frozen=True)
class Ping:
    """To be answered by a pong with the same number."""

    n: int


Message = Hello | Sub | Unsub | Ack | Ping


class NotUnderstood(ValueError):
    """The client's message is none of this protocol: close with 4500."""


def parse(text: str) -> Message:
    """A client's message; raises NotUnderstood. Unknown fields are ignored."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotUnderstood("no JSON") from error
    if not isinstance(value, dict):
        raise NotUnderstood("no JSON object")
    if text.count("{") + text.count("[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise NotUnderstood("nested too deep")
    match value.get("t"):
        case "hello":
            return Hello()
        case "sub":
            return _sub(value)
        case "unsub":
            return Unsub(_integer(value, "id"))
        case "ack":
            return Ack(_integer(value, "id"), _integer(value, "seq"))
        case "ping":
            return Ping(_integer(value, "n"))
    raise NotUnderstood("unknown type")


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, dict | list)
        ]
    return depth


def _integer(value: Mapping[str, Any], name: str) -> int:
    number = value.get(name)
    if type(number) is not int:  # bool is an int, and no number here
        raise NotUnderstood(f"{name} must be an integer")
    return number


def _sub(value: Mapping[str, Any]) -> Sub:
    number = _integer(value, "id")
    feed, epoch, after = value.get("feed"), value.get("epoch"), value.get("after")
    if not isinstance(feed, str) or not is_key(feed):
        return Sub(number, valid=False)
    if type(after) is not int or after < 0 or not isinstance(epoch, str | None):
        return Sub(number, valid=False)
    valid = epoch is not None or after == 0
    return Sub(number, feed, epoch, after, valid, ended=value.get("ended") is True)


def is_key(text: str) -> bool:
    """Could a feed have this key?"""
    return 0 < len(text) <= MAX_KEY_CHARS and "\0" not in text


def number(text: str) -> int:
    """A number in a query; raises ValueError. `int` alone would take blanks and underscores, too."""
    if not text.isascii() or not text.removeprefix("-").isdecimal():
        raise ValueError(text)
    return int(text)


def sub(message: Sub) -> str:
    """The client's text for a subscription: what `parse` reads."""
    fields = {"feed": message.feed, "epoch": message.epoch, "after": message.after}
    return encode({"t": "sub", "id": message.id, **fields})


def ack(number: int, seq: int) -> str:
    """The client's text for "everything up to `seq` has been applied"."""
    return encode({"t": "ack", "id": number, "seq": seq})


def fields(text: str) -> dict[str, Any]:
    """A message of ours, but for the groups of an `ev`: those are long, and nobody here need decode them."""
    opening, groups, _ = text.partition(',"g":')
    value: dict[str, Any] = json.loads(f"{opening}}}" if groups else text)
    return value


def reset_reason(
    epoch: str | None, after: int, *, current: str, first: int, head: int, too_far: int | None = None
) -> str | None:
    """Why a cursor cannot be served from a feed as it stands now, or None: section 5, in this order."""
    if epoch is not None and epoch != current:
        return "epoch"
    if after > head:
        return "ahead"
    if after < first - 1:
        return "pruned"
    if too_far is not None and head - after > too_far:
        return "too_far"
    return None


def welcome(conn: str, hb_s: float, dead_s: float, first_max_ms: int, cap_ms: int) -> str:
    """The answer to `hello`."""
    retry = {"first_max_ms": first_max_ms, "cap_ms": cap_ms}
    return encode({"t": "welcome", "conn": conn, "hb_s": hb_s, "dead_s": dead_s, "retry": retry})


def subok(number: int, epoch: str, first: int, head: int, after: int, closed: bool) -> str:
    """The subscription stands."""
    fields = {"epoch": epoch, "first": first, "head": head, "after": after, "closed": closed}
    return encode({"t": "subok", "id": number, **fields})


def ev_tail(prev: int, to: int, groups: str) -> str:
    """The part of an `ev` message that all sockets share; `groups` is a frame's text."""
    return f',"prev":{prev},"to":{to},"g":{groups}}}'


def ev(number: int, tail: str) -> str:
    """Events for subscription `number`."""
    return f'{{"t":"ev","id":{number}{tail}'


def caught_up(number: int, seq: int) -> str:
    """The cursor is the head."""
    return encode({"t": "caught_up", "id": number, "seq": seq})


def end(number: int, seq: int) -> str:
    """The feed is closed for now, and all of it was sent."""
    return encode({"t": "end", "id": number, "seq": seq})


def reset(number: int, reason: str, epoch: str, first: int, head: int) -> str:
    """The subscription is over, for this reason."""
    return encode(
        {"t": "reset", "id": number, "reason": reason, "epoch": epoch, "first": first, "head": head}
    )


def err(number: int, code: str, retry_ms: int | None = None) -> str:
    """The subscription was refused."""
    return encode(
        {"t": "err", "id": number, "code": code} | ({} if retry_ms is None else {"retry_ms": retry_ms})
    )


def hb(now_ms: int, heads: Mapping[int, int]) -> str:
    """Where the feeds stand: whoever is behind and hears nothing subscribes again."""
    return encode({"t": "hb", "now": now_ms, "heads": {str(number): head for number, head in heads.items()}})


def bye(code: int) -> str:
    """The last event of a stream: what a socket's close code says."""
    return encode({"t": "bye", "code": code})


def drain(in_ms: int, retry_ms: int) -> str:
    """The server is about to end: this connection closes then, and its client may come back within that."""
    return encode({"t": "drain", "in_ms": in_ms, "retry_ms": retry_ms})


def pong(n: int) -> str:
    """The answer to `ping`."""
    return encode({"t": "pong", "n": n})
