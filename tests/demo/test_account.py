"""The account's arithmetic on made-up journals and events."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from rollcast.demo.account import (
    Account,
    Difference,
    Event,
    Journal,
    Sabotage,
    close_account,
    compare,
    lines_of,
    sabotage,
    written_lines,
)

ENDS = frozenset({"succeeded", "failed"})


def journal(lane: str, origin: str, content: bytes) -> Journal:
    return Journal(lane, origin, content, len(content), hashlib.sha256(content).hexdigest())


def events(lane: str, origin: str, *items: object, kind: str = "line", first: int = 1) -> list[Event]:
    return [Event(first + n, lane, kind, origin, item) for n, item in enumerate(items)]


JOURNALS = [
    journal("t1", "t1/s0/a1", "[0001] 一\n[0002] two\n[0003] three\n".encode()),
    journal("t1", "t1/s1/a1", b"[0004] four\n"),
    journal("t2", "t2/s0/a1", b"[0001] one\n"),
]
EVENTS = [
    *events("t1", "t1/s0/a1", "[0001] 一", "[0002] two"),
    *events("t2", "t2/s0/a1", "[0001] one", first=3),
    *events("t1", "t1/s0/a1", "[0003] three", first=4),
    *events("t1", "t1/s1/a1", "[0004] four", first=5),
]


def account(received: list[Event], journals: list[Journal] = JOURNALS) -> Account:
    return close_account(journals, EVENTS, received, ["succeeded", "failed"], ENDS)


def test_an_equal_account_is_closed_and_names_what_it_counted() -> None:
    closed = account(EVENTS)
    assert closed.as_json(hosts=2, console_peak_mb=81.5, seconds=3.0) == {
        "hosts": 2,
        "targets": {"failed": 1, "succeeded": 1},
        "lines": {"written": 5, "stored": 5, "received": 5},
        "bytes_same": True,
        "lost": 0,
        "repeated": 0,
        "disordered": 0,
        "console_peak_mb": 81.5,
        "seconds": 3.0,
        "closed": True,
    }


@pytest.mark.parametrize(
    ("how", "difference", "received"),
    [
        ("drop", Difference(lost=1), 4),
        ("repeat", Difference(repeated=1), 6),
        ("swap", Difference(disordered=2), 5),
    ],
)
def test_each_sabotage_opens_the_account(how: Sabotage, difference: Difference, received: int) -> None:
    opened = account(sabotage(EVENTS, how))
    assert opened.difference == difference
    assert opened.received == received
    assert not opened.closed


def test_an_altered_line_is_lost_and_repeated() -> None:
    altered = [event._replace(data="[0002] tow") if event.seq == 2 else event for event in EVENTS]
    assert account(altered).difference == Difference(lost=1, repeated=1)


def test_a_line_under_a_foreign_step_run_is_noticed() -> None:
    moved = [event._replace(origin="t1/s1/a1") if event.seq == 4 else event for event in EVENTS]
    assert not account(moved).closed


def test_a_whole_lane_that_is_missing_counts_in_full() -> None:
    assert account([event for event in EVENTS if event.lane == "t1"]).difference == Difference(lost=1)


def test_bytes_that_are_not_those_stored_open_the_account() -> None:
    for other in (replace(JOURNALS[0], stored_bytes=1), replace(JOURNALS[0], stored_sha256="0" * 64)):
        opened = account(EVENTS, [other, *JOURNALS[1:]])
        assert not opened.bytes_same
        assert not opened.closed


def test_a_target_without_an_end_opens_the_account() -> None:
    assert not close_account(JOURNALS, EVENTS, EVENTS, ["succeeded", "running"], ENDS).closed


def test_nothing_written_is_not_a_closed_account() -> None:
    assert not close_account([], [], [], ["failed"], ENDS).closed


def test_pieces_are_joined_to_lines_and_flagged_ones_read() -> None:
    pieces = [
        Event(1, "t1", "cont", "t1/s0/a1", "\r10 %"),
        Event(2, "t1", "cont", "t1/s0/a1", {"text": "\r100 % \\xff", "flags": ["bytes"]}),
        Event(3, "t1", "line", "t1/s0/a1", " done"),
        Event(4, "t1", "cont", "t1/s0/a1", "no newline"),
        Event(5, "t1", "step.state", "t1/s0/a1", {}),
        Event(6, "t1", "line", "t1/s1/a1", {"text": "␀", "flags": ["nul"]}),
        Event(7, "t1", "cont", "t1/s1/a1", "the end"),
    ]
    journals = [
        journal("t1", "t1/s0/a1", b"\r10 %\r100 % \xff done\nno newline"),
        journal("t1", "t1/s1/a1", b"\0\nthe end"),
    ]
    assert written_lines(journals) == lines_of(pieces)
    assert compare(written_lines(journals), lines_of(pieces)) == Difference()
