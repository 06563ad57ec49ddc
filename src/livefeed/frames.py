"""Stored frames: PURE packing, reading and trimming of events.

A frame's text is the JSON array of groups exactly as it goes over the wire (docs/protocol.md, section 2). It
is written once, at append; from then on everybody passes it on as text: a live event is never decoded on its
way to a browser, so that no odd character in it (NUL, a lone surrogate) can stop a reader. Only a cursor that
stands inside a frame makes `trim` decode one.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any, Final, TypeAlias

JSON: TypeAlias = Any
Group: TypeAlias = list[Any]  # [lane, kind, origin or None, at_ms, seq of the first, [data, …]]

CODEC_ZLIB: Final = 1
# Level 1: 4 times the speed of the default for 10 % more bytes.
ZLIB_LEVEL: Final = 1
# A frame becomes one message: at 4 kB/s 32 KiB still pass well before a ping times out.
FRAME_BYTES: Final = 32 * 1024
FRAME_EVENTS: Final = 1000
# 16 KiB of text, every character of it escaped (\u0001), and some room.
EVENT_BYTES: Final = 128 * 1024

_plain = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_ascii = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode


def encode(value: JSON) -> str:
    """Compact JSON that is always valid UTF-8; raises ValueError (NaN) or TypeError for what is no JSON."""
    # Most events are lines: the encoder's own word for a text, without the way there.
    text = encode_basestring(value) if type(value) is str else _plain(value)
    if text.isascii():  # known without a look at the characters, and true of most lines
        return text
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate: an escape says the same and can be sent
        return _ascii(value)
    return text


def size_of(text: str) -> int:
    """Bytes of the text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


@dataclass(frozen=True)
class Run:
    """Events of one lane, kind and origin that stand side by side; `texts` are JSON texts."""

    lane: str
    kind: str
    origin: str | None
    texts: Sequence[str]


@dataclass(frozen=True)
class Packed:
    """A frame about to be stored."""

    first: int
    last: int
    text: str
    lanes: frozenset[str]


@dataclass(frozen=True)
class Stored:
    """A frame, or the rest of one: events `prev+1 … to`."""

    prev: int
    to: int
    text: str


def pack(runs: Iterable[Run], first: int, at_ms: int) -> list[Packed]:
    """Give the events of `runs` the numbers `first`, `first + 1`, … and cut them into frames."""
    packer = _Packer(first, at_ms)
    for run in runs:
        packer.begin(run)
        packer.add_all(run.texts)
        packer.finish_group()
    packer.finish_frame()
    return packer.frames


class _Packer:
    """Builds groups and frames; a frame ends when the next event would exceed its size or count."""

    def __init__(self, first: int, at_ms: int) -> None:
        self.frames: list[Packed] = []
        self._frame_first = first
        self._next = first
        self._at_ms = at_ms
        self._head = ""
        self._lane = ""
        self._group: list[str] = []
        self._groups: list[str] = []
        self._lanes: set[str] = set()
        self._size = 0

    def begin(self, run: Run) -> None:
        """The events that follow belong to this run."""
        self._head = f"[{encode(run.lane)},{encode(run.kind)},{encode(run.origin)},{self._at_ms}"
        self._lane = run.lane

    def add_all(self, texts: Sequence[str]) -> None:
        """These events; at once, if the frame under way has room for all, which most often it has."""
        joined = size_of(",".join(texts))
        if self._next - self._frame_first + len(texts) <= FRAME_EVENTS and self._size + joined <= FRAME_BYTES:
            self._group.extend(texts)
            self._next += len(texts)
            self._size += joined + 1
            return
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """One more event."""
        size = size_of(text)
        count = self._next - self._frame_first
        if count and (self._size + size > FRAME_BYTES or count >= FRAME_EVENTS):
            self.finish_group()
            self.finish_frame()
        self._group.append(text)
        self._next += 1
        self._size += size + 1

    def finish_group(self) -> None:
        """Close the group under way, if there is one."""
        if not self._group:
            return
        first = self._next - len(self._group)
        self._groups.append(f"{self._head},{first},[{','.join(self._group)}]]")
        self._lanes.add(self._lane)
        self._size += len(self._head)
        self._group = []

    def finish_frame(self) -> None:
        """Close the frame under way, if there is one."""
        if not self._groups:
            return
        text = f"[{','.join(self._groups)}]"
        self.frames.append(Packed(self._frame_first, self._next - 1, text, frozenset(self._lanes)))
        self._frame_first = self._next
        self._groups, self._lanes, self._size = [], set(), 0


def compress(text: str) -> bytes:
    """A frame's text as it is stored under CODEC_ZLIB."""
    return zlib.compress(text.encode(), ZLIB_LEVEL)


def expand(codec: int, body: bytes) -> str:
    """The text of a stored frame; raises ValueError or zlib.error for a damaged one."""
    if codec != CODEC_ZLIB:
        raise ValueError(f"unknown frame codec {codec}")
    return zlib.decompress(body).decode()


def trim(text: str, after: int, until: int, lane: str | None = None) -> list[Group]:
    """The groups of a frame's text with events in `after+1 … until` only, of one lane if it is given."""
    groups: list[Group] = []
    for group in json.loads(text):
        first, items = group[4], group[5]
        low, high = max(after + 1 - first, 0), min(until - first + 1, len(items))
        if low < high and (lane is None or group[0] == lane):
            groups.append([*group[:4], first + low, items[low:high]])
    return groups


def pack_lanes(numbers: Iterable[int]) -> bytes:
    """Lane numbers as stored in a frame's row."""
    ordered = sorted(numbers)
    return struct.pack(f"<{len(ordered)}I", *ordered)


def unpack_lanes(data: bytes) -> tuple[int, ...]:
    """The reverse of `pack_lanes`."""
    return struct.unpack(f"<{len(data) // 4}I", data)


def pack_index(frames: Sequence[tuple[int, bytes]]) -> bytes:
    """An index body from (last seq, lanes) of up to 64 frames: the lasts, and a mask of 64 bits per lane."""
    masks: dict[str, int] = {}
    for bit, (_, lanes) in enumerate(frames):
        for number in unpack_lanes(lanes):
            masks[str(number)] = masks.get(str(number), 0) | 1 << bit
    return zlib.compress(_ascii([[last for last, _ in frames], masks]).encode(), ZLIB_LEVEL)


def lasts_of_lane(body: bytes, number: int) -> list[int]:
    """From an index body: the last seqs of those frames that hold this lane."""
    lasts, masks = json.loads(zlib.decompress(body))
    mask = masks.get(str(number), 0)
    return [last for bit, last in enumerate(lasts) if mask >> bit & 1]
