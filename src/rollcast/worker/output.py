"""One reader of one step run's journal: raw bytes in, pieces out, and the digest of what was given out.

Promise: the SHA-256 beside an entry is that of the raw bytes from where this reader began to the entry's last
piece, before any decoding; so "stored" can be compared with what the host wrote. Why true: bytes are held
until the decoder's mark has passed them, and hashed in that order. What would break it: hashing what arrived
instead of what was given out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from rollcast.engine import events
from rollcast.remote.lines import LineDecoder
from rollcast.rollouts.actions import OutputEntry, Piece


class OutputReader:
    """Reads from the offset `start`, which is the mark up to which somebody has stored the journal."""

    def __init__(self, target_id: int, step_index: int, attempt: int, encoding: str, start: int) -> None:
        self._ids = (target_id, step_index, attempt)
        self._encoding = encoding
        self._decoder = LineDecoder(encoding, start)
        self._digest = hashlib.sha256()
        self._held = bytearray()
        self.start = start
        self.mark = start  # up to here it was given out

    def feed(self, data: bytes, now: float) -> None:
        """Take the journal's next bytes, read at `now` (seconds of a monotonic clock)."""
        self._held += data
        self._decoder.feed(data, now)

    def take(self, now: float, *, final: bool = False) -> OutputEntry | None:
        """What can be stored now, None if nothing can; with `final` everything that was read."""
        pieces = self._decoder.take(now, final=final)
        if not pieces:
            return None
        before, self.mark = self.mark, pieces[-1].end_offset
        passed = self.mark - before
        self._digest.update(self._held[:passed])
        del self._held[:passed]
        target_id, step_index, attempt = self._ids
        return OutputEntry(
            target_id=target_id,
            step_index=step_index,
            attempt=attempt,
            before=before,
            pieces=[
                Piece(
                    events.LINE if piece.kind == "line" else events.CONT,
                    _item(piece.text, piece.flags),
                    piece.end_offset,
                )
                for piece in pieces
            ],
            stretch_from=self.start,
            stretch_sha256=self._digest.copy().hexdigest(),
        )

    @property
    def due_at(self) -> float | None:
        """When an unfinished line is to be given out, by the clock of `feed`; None without one."""
        return self._decoder.due_at()

    def rewind(self) -> None:
        """Contact was lost: what was read behind the mark will come again."""
        self._held.clear()
        self._decoder = LineDecoder(self._encoding, self.mark)

    def read_all(self, n_bytes: int, sha256: str) -> bool:
        """Whether this reader alone gave out the whole journal of that length and digest."""
        return self.start == 0 and self.mark == n_bytes and self._digest.hexdigest() == sha256


def covers(stretches: Sequence[tuple[int, int, str]], n_bytes: int) -> bool:
    """Whether the stretches together reach from 0 to `n_bytes` without a hole."""
    reached = 0
    for start, end, _ in sorted(stretches):
        if start > reached:
            return False
        reached = max(reached, end)
    return reached >= n_bytes


def _item(text: str, flags: Sequence[str]) -> object:
    return {"text": text, "flags": sorted(flags)} if flags else text
