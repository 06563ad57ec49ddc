"""Bytes to lines: whatever the chunks, the text is what Python's own codecs make of the whole."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcast.remote.lines import MAX_PIECE, LineDecoder, Piece, check_encoding

ENCODINGS = ("utf-8", "gb18030", "gbk", "big5", "shift_jis", "euc_jp", "euc_kr", "latin-1", "cp1252")

# Text, broken text, and bytes that begin characters in the encodings above.
pieces_of_journal = st.one_of(
    st.binary(max_size=12),
    st.text(max_size=8).map(lambda text: text.encode("utf-8", "replace")),
    st.text(alphabet="中文游戏服务器\U00020000é\n\0\\x4", max_size=8).map(
        lambda text: text.encode("gb18030")
    ),
    st.sampled_from(
        [b"\n", b"\r\n", b"\\x41", b"\0", b"\xe4\xb8", b"\x81\x30", b"\xf0\x9f", b"\xed\xa0\x80"]
    ),
)
journals = st.lists(pieces_of_journal, max_size=30).map(b"".join)


def decode(data: bytes, cuts: list[int], encoding: str, start: int = 0) -> list[Piece]:
    """Feed `data` cut at `cuts`; a flush lapses after every second chunk."""
    decoder = LineDecoder(encoding, start)
    pieces: list[Piece] = []
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for number, (begin, end) in enumerate(itertools.pairwise(edges)):
        decoder.feed(data[begin:end], float(number))
        pieces += decoder.take(number + (0.2 if number % 2 else 0.1))
    pieces += decoder.take(float(len(edges)), final=True)
    assert decoder.mark == (pieces[-1].end_offset if pieces else start)
    return pieces


def joined(pieces: list[Piece]) -> str:
    return "".join(piece.text + ("\n" if piece.kind == "line" else "") for piece in pieces)


def shown(data: bytes, encoding: str) -> str:
    return data.decode(encoding, "backslashreplace").replace("\0", "\u2400")


@given(data=journals, cuts=st.lists(st.integers(0, 400), max_size=12), encoding=st.sampled_from(ENCODINGS))
def test_joined_pieces_are_what_the_codec_makes_of_the_whole(
    data: bytes, cuts: list[int], encoding: str
) -> None:
    pieces = decode(data, cuts, encoding)
    assert joined(pieces) == shown(data, encoding)
    assert all("\n" not in piece.text for piece in pieces)
    offsets = [piece.end_offset for piece in pieces]
    assert offsets == sorted(offsets)
    assert not data or offsets[-1] == len(data)


@given(
    data=journals,
    cuts=st.lists(st.integers(0, 400), max_size=12),
    encoding=st.sampled_from(ENCODINGS),
    at=st.integers(0, 100),
)
def test_a_decoder_that_begins_at_any_mark_goes_on_as_if_never_cut(
    data: bytes, cuts: list[int], encoding: str, at: int
) -> None:
    pieces = decode(data, cuts, encoding)
    if pieces:
        number = at % len(pieces)
        mark = pieces[number].end_offset
        rest = decode(data[mark:], cuts, encoding, mark)
        assert joined(pieces[: number + 1]) + joined(rest) == shown(data, encoding)


@given(
    unit=st.sampled_from(["x", "é", "中", "\U0001f600", "\0"]),
    lengths=st.lists(st.integers(0, 40_000), min_size=1, max_size=3),
    cuts=st.lists(st.integers(0, 200_000), max_size=6),
)
def test_long_lines_become_pieces_cut_at_characters(unit: str, lengths: list[int], cuts: list[int]) -> None:
    data = "\n".join(unit * length for length in lengths).encode()
    pieces = decode(data, cuts, "utf-8")
    assert joined(pieces) == shown(data, "utf-8")
    for piece in pieces:
        assert len(piece.text.encode()) <= MAX_PIECE
        data[: piece.end_offset].decode()


def test_a_long_line_fills_its_pieces() -> None:
    decoder = LineDecoder()
    decoder.feed(b"x" * (3 * MAX_PIECE) + b"\n", 0.0)
    assert [len(piece.text) for piece in decoder.take(0.0)] == [MAX_PIECE, MAX_PIECE, MAX_PIECE]


def test_bytes_that_are_worst_to_show_still_fit() -> None:
    decoder = LineDecoder()
    decoder.feed(b"\xff" * MAX_PIECE, 0.0)
    pieces = decoder.take(1.0)
    assert max(len(piece.text) for piece in pieces) <= MAX_PIECE
    assert joined(pieces) == "\\xff" * MAX_PIECE


def test_an_unfinished_line_is_shown_after_a_while_and_goes_on() -> None:
    decoder = LineDecoder()
    decoder.feed("waiting 等".encode() + b"\xe5", 10.0)
    assert decoder.take(10.1) == []
    assert decoder.due_at() == pytest.approx(10.2)
    assert decoder.take(10.2) == [Piece("cont", "waiting 等", (), 11)]
    assert decoder.due_at() is None
    decoder.feed(b"\xbe\x85\n", 10.3)
    assert decoder.take(10.3) == [Piece("line", "待", (), 15)]
    assert decoder.mark == 15


def test_the_newline_of_a_flushed_line_comes_as_an_empty_piece() -> None:
    decoder = LineDecoder()
    decoder.feed(b"done?", 0.0)
    pieces = decoder.take(1.0)
    decoder.feed(b"\n", 1.0)
    assert pieces + decoder.take(1.0) == [Piece("cont", "done?", (), 5), Piece("line", "", (), 6)]


def test_what_is_no_text_is_shown_and_flagged() -> None:
    decoder = LineDecoder()
    decoder.feed(b"a\xffb\nc\0d\n\\x41 is no broken byte\nboth \xfe\0\nfine\n", 0.0)
    assert [(piece.text, piece.flags) for piece in decoder.take(0.0)] == [
        ("a\\xffb", ("bytes",)),
        ("c\u2400d", ("nul",)),
        ("\\x41 is no broken byte", ()),
        ("both \\xfe\u2400", ("bytes", "nul")),
        ("fine", ()),
    ]


def test_carriage_returns_colours_and_odd_separators_stay_in_the_line() -> None:
    text = "10 %\r20 %\r\n\x1b[31mred\x1b[0m\x0b\x0c\x1c\u2028\u0085end\n"
    decoder = LineDecoder()
    decoder.feed(text.encode(), 0.0)
    assert [piece.text for piece in decoder.take(0.0)] == text.split("\n")[:-1]


@pytest.mark.parametrize(
    "name", ["utf-16", "utf-8-sig", "iso2022_jp", "hz", "utf-7", "no-such", "hex", "idna"]
)
def test_encodings_that_cannot_be_cut_at_lines_are_refused(name: str) -> None:
    with pytest.raises(LookupError):
        check_encoding(name)
