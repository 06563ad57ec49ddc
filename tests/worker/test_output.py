"""One reader of a journal while contact comes and goes: what it gives out is what was written."""

from __future__ import annotations

import hashlib
from itertools import combinations_with_replacement

import pytest

from rollcast.worker.output import OutputReader

JOURNAL = "一\nhalf of 第二行\n\nunfinished".encode()


@pytest.mark.parametrize("taken_at", [0, 1], ids=["whole lines are given out", "unfinished ones as well"])
def test_what_was_read_behind_the_mark_is_read_again_after_a_cut(taken_at: int) -> None:
    for cuts in combinations_with_replacement(range(len(JOURNAL)), 2):
        reader, text = OutputReader(1, 0, 1, "utf-8", 0), ""
        for cut in (*cuts, len(JOURNAL)):
            before = reader.mark
            reader.feed(JOURNAL[before:cut], now=0)
            entry = reader.take(now=taken_at, final=cut == len(JOURNAL))
            if entry is not None:
                assert (entry.before, entry.pieces[-1].end) == (before, reader.mark)
                for piece in entry.pieces:
                    text += f"{piece.item}\n" if piece.kind == "line" else f"{piece.item}"
            reader.rewind()
        assert text == JOURNAL.decode(), f"cut at {cuts}"
        assert reader.read_all(len(JOURNAL), hashlib.sha256(JOURNAL).hexdigest()), f"cut at {cuts}"
