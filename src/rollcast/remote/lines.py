"""A journal's bytes as lines of text. Pure and incremental: the caller brings bytes and the time.

Promise, for any chunking of the same bytes: the texts of all pieces, a newline behind each `line`, are what
Python's own `bytes.decode(encoding, "backslashreplace")` makes of all the bytes, with NUL shown as U+2400
(a database takes no NUL). The `end_offset` of a piece lies between two characters, so a decoder that begins
there makes the same of the rest: that is the mark to resume from.

Why that is true: one incremental decoder of Python sees every byte once, in order. It is fed in slices that
end at newlines, and what it holds back (the begun character) is not yet counted in the offset.

What would break it: an encoding with shift states (its decoder cannot begin in the middle), or one in which a
newline is more than the byte 0x0A. `check_encoding` refuses both.
"""

from __future__ import annotations

import codecs
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

# One event holds at most this many bytes of UTF-8; longer lines become several pieces.
MAX_PIECE: Final = 16 * 1024
# A byte becomes at most four characters (\xNN) or one of three bytes (U+2400), so a slice always fits into
# a piece.
_SLICE: Final = MAX_PIECE // 4
# What stands on a line without its newline for this long is shown as a piece: a prompt, a row of dots.
FLUSH_AFTER_S: Final = 0.2

NUL_SHOWN: Final = "\N{SYMBOL FOR NULL}"
Flag = Literal["bytes", "nul"]

# Encodings whose decoders have states other than a begun character, or another newline.
_STATEFUL: Final = ("iso2022", "iso-2022", "hz", "utf-7", "utf-8-sig", "utf-16", "utf-32", "idna", "punycode")


@dataclass(frozen=True)
class Piece:
    """A whole line (`line`, without its newline) or a part of one that goes on (`cont`).

    `flags`: "bytes" if bytes that are no text are shown as \\xNN, "nul" if a NUL is shown as U+2400.
    `end_offset` is where the journal's bytes of this piece end, its newline included.
    """

    kind: Literal["line", "cont"]
    text: str
    flags: tuple[Flag, ...]
    end_offset: int


def check_encoding(name: str) -> str:
    """The codec's own name; raises LookupError when journals cannot be read by it."""
    info = codecs.lookup(name)
    if info.name.startswith(_STATEFUL) or "\n".encode(info.name) != b"\n":
        raise LookupError(f"{name} is no encoding in which a line ends with the byte 0x0A alone")
    codecs.getincrementaldecoder(info.name)
    return info.name


class LineDecoder:
    """Makes pieces of bytes. One per step run and reader; begin at a mark."""

    def __init__(self, encoding: str = "utf-8", start_offset: int = 0) -> None:
        self._encoding = check_encoding(encoding)
        self._decoder = codecs.getincrementaldecoder(self._encoding)("backslashreplace")
        self._strict = codecs.getdecoder(self._encoding)
        self._held = b""  # what the decoder holds back: a begun character
        self._offset = start_offset  # behind the last byte that was fed
        self._parts: list[
            str
        ] = []  # the unfinished piece, its size in UTF-8, where it ends, its flags, since when
        self._size = 0
        self._end = start_offset
        self._flags: set[Flag] = set()
        self._since: float | None = None
        self._done: deque[Piece] = deque()
        self.mark = start_offset

    def feed(self, data: bytes, now: float) -> None:
        """Take the journal's next bytes, read at `now` (any clock in seconds, the one of `take`)."""
        begin = 0
        while begin < len(data):
            newline = data.find(b"\n", begin, begin + _SLICE)
            end = min(begin + _SLICE, len(data)) if newline < 0 else newline + 1
            self._decode(data[begin:end], now)
            begin = end

    def take(self, now: float, *, flush_after_s: float = FLUSH_AFTER_S, final: bool = False) -> list[Piece]:
        """The pieces that are ready; an unfinished one once it waited `flush_after_s`, at once if `final`.

        With `final` a begun character is shown too, as bytes; feed nothing afterwards.
        """
        if final:
            self._decode(b"", now, final=True)
        due_at = self.due_at(flush_after_s)
        if due_at is not None and (final or now >= due_at):
            self._finish("cont")
        pieces = list(self._done)
        self._done.clear()
        if pieces:
            self.mark = pieces[-1].end_offset
        return pieces

    def due_at(self, flush_after_s: float = FLUSH_AFTER_S) -> float | None:
        """When the unfinished piece is ready to be taken, by the clock of `feed`; None without one."""
        return None if self._since is None else self._since + flush_after_s

    def _decode(self, data: bytes, now: float, *, final: bool = False) -> None:
        """One slice, with no newline but at its end."""
        raw = self._held + data
        text = self._decoder.decode(data, final)
        self._held = b"" if final else self._decoder.getstate()[0]
        self._offset += len(data)
        if not text:
            return
        end = self._offset - len(self._held)
        raw = raw[: len(raw) - len(self._held)]
        flags = self._flags_of(text, raw)
        *lines, rest = text.replace("\0", NUL_SHOWN).split("\n")
        # Usually one newline, the slice's last byte. Where a broken character ran over newlines, the
        # decoder had held them back and lets them all go now; each newline in the text is one in the bytes.
        begin, newline = end - len(raw), -1
        for line in lines:
            newline = raw.index(b"\n", newline + 1)
            self._add(line, begin + newline + 1, flags, now)
            self._finish("line")
        if rest:
            self._add(rest, end, flags, now)

    def _flags_of(self, text: str, raw: bytes) -> set[Flag]:
        flags: set[Flag] = set()
        if "\\x" in text:  # or the step really printed a backslash and an x
            try:
                self._strict(raw)
            except UnicodeDecodeError:
                flags.add("bytes")
        if "\0" in text:
            flags.add("nul")
        return flags

    def _add(self, text: str, end: int, flags: set[Flag], now: float) -> None:
        size = len(text) if text.isascii() else len(text.encode())
        if self._parts and self._size + size > MAX_PIECE:
            self._finish("cont")
        self._end = end
        self._parts.append(text)
        self._size += size
        self._flags |= flags
        if self._since is None:
            self._since = now

    def _finish(self, kind: Literal["line", "cont"]) -> None:
        flags = tuple(sorted(self._flags))
        self._done.append(Piece(kind, "".join(self._parts), flags, self._end))
        self._parts, self._size, self._flags, self._since = [], 0, set(), None
