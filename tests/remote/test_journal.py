"""The two pipes of a follower as items, cut anywhere."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollcast.remote.journal import (
    MAX_EARLY,
    PREAMBLE,
    STDERR,
    STDOUT,
    Ended,
    Gone,
    Item,
    JournalReader,
    LimitReached,
    Missing,
    Output,
    Refused,
    Started,
    TimedOut,
    parse_record,
)

BOOT = "1d98c1fd-308f-4200-9efc-5c9ac13a0e3c"
STARTED = Started(12, 3456, BOOT)
CONTROL = f"ready\nstarted 12 3456 {BOOT}\nlimit 9\nexit 137 9 abc\n".encode()


def feed(reader: JournalReader, stream: int, data: bytes) -> list[Item]:
    return list(reader.feed(stream, data))


@settings(suppress_health_check=[HealthCheck.large_base_example])
@given(
    noise=st.sampled_from([b"", b"Welcome\n", b"no newline", PREAMBLE[:7]]),
    out_cuts=st.lists(st.integers(0, 60), max_size=5),
    err_cuts=st.lists(st.integers(0, 150), max_size=5),
    order=st.randoms(use_true_random=False),
)
def test_any_chunks_in_any_order_give_the_same_items(
    noise: bytes, out_cuts: list[int], err_cuts: list[int], order: Random
) -> None:
    streams = {STDOUT: noise + PREAMBLE + b"ninebytes", STDERR: noise + b"\n" + PREAMBLE + CONTROL}
    chunks = {
        stream: _cut(data, cuts)
        for (stream, data), cuts in zip(streams.items(), (out_cuts, err_cuts), strict=True)
    }
    reader = JournalReader(0)
    items: list[Item] = []
    while any(chunks.values()):
        stream = order.choice([stream for stream in chunks if chunks[stream]])
        items += reader.feed(stream, chunks[stream].pop(0))
    assert b"".join(item.data for item in items if isinstance(item, Output)) == b"ninebytes"
    assert [item for item in items if not isinstance(item, Output)] == [
        STARTED,
        LimitReached(9),
        Ended(137, 9, "abc"),
    ]
    assert items[0] == STARTED
    assert isinstance(items[-1], Ended)
    assert reader.finished


def _cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    return [data[begin:end] for begin, end in itertools.pairwise(edges)]


def test_the_end_waits_for_the_bytes_it_counts() -> None:
    reader = JournalReader(4)
    feed(reader, STDOUT, PREAMBLE)
    assert feed(reader, STDERR, PREAMBLE + f"started 12 3456 {BOOT}\nexit 0 9 abc\n".encode()) == [STARTED]
    assert feed(reader, STDOUT, b"byt") == [Output(b"byt", 7)]
    assert feed(reader, STDOUT, b"es") == [Output(b"es", 9), Ended(0, 9, "abc")]


def test_gone_waits_for_the_end_of_the_channel() -> None:
    reader = JournalReader(0)
    assert feed(reader, STDERR, PREAMBLE + b"gone\n") == []
    assert feed(reader, STDOUT, PREAMBLE + b"late") == [Output(b"late", 4)]
    assert list(reader.end()) == [Gone("gone")]


def test_a_channel_that_ends_without_a_last_word_gives_its_bytes_and_no_end() -> None:
    reader = JournalReader(0)
    feed(reader, STDERR, PREAMBLE + b"tail: something\nfailed no space\nexit 0 3")
    feed(reader, STDOUT, PREAMBLE + b"abc")
    assert list(reader.end()) == [Output(b"abc", 3)]
    assert not reader.finished
    assert (reader.complaint, reader.failed) == ("tail: something", "no space")


def test_output_does_not_wait_for_a_lost_record_without_bound() -> None:
    reader = JournalReader(0)
    feed(reader, STDOUT, PREAMBLE)
    assert feed(reader, STDOUT, b"x" * MAX_EARLY) == []
    assert feed(reader, STDOUT, b"x") == [Output(b"x" * (MAX_EARLY + 1), MAX_EARLY + 1)]
    assert feed(reader, STDOUT, b"y") == [Output(b"y", MAX_EARLY + 2)]


@pytest.mark.parametrize(
    ("line", "item"),
    [
        (f"started 12 3456 {BOOT}", STARTED),
        ("limit 5", LimitReached(5)),
        ("timeout 60", TimedOut(60)),
        ("exit 143 7 abc", Ended(143, 7, "abc")),
        (f"missing {BOOT}", Missing(BOOT)),
        ("short", Refused("short")),
        ("sealed", Refused("sealed")),
        ("taken", Refused("taken")),
        ("unstarted", Gone("unstarted")),
        ("interrupted", Gone("interrupted")),
        ("exit", None),
        ("exit x y z", None),
        ("started -1 5 x", None),
        ("tail: journal: file truncated", None),
        ("", None),
    ],
)
def test_records(line: str, item: Item | None) -> None:
    assert parse_record(line) == item
