"""The account of a rollout: what the hosts wrote against what was stored and what a client received. Pure.

The hosts' side is read from the journal files and decoded by Python's own codecs, never by the code that
decoded them on the way: a fault there must not hide itself.

Lines are compared target by target, all step runs one after the other, each line with its origin (the step
run that wrote it). A line that is missing is `lost`, one that is there more often than it was written is
`repeated` (an altered line is both), and what remains out of place is `disordered`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias

Sabotage: TypeAlias = Literal["drop", "repeat", "swap"]
LINE: Final = "line"
CONT: Final = "cont"


class Line(NamedTuple):
    """One line of output, without its newline, and the step run that wrote it."""

    origin: str
    text: str


class Event(NamedTuple):
    """One event of a feed as it came."""

    seq: int
    lane: str
    kind: str
    origin: str | None
    data: object


Lines: TypeAlias = dict[str, list[Line]]  # lane → its lines in order


@dataclass(frozen=True)
class Journal:
    """One step run's journal file, and what the console stored about it."""

    lane: str
    origin: str
    content: bytes
    stored_bytes: int | None
    stored_sha256: str

    @property
    def same(self) -> bool:
        """Whether count and digest of the file are those that were stored."""
        digest = hashlib.sha256(self.content).hexdigest()
        return self.stored_bytes == len(self.content) and self.stored_sha256 == digest


@dataclass(frozen=True)
class Difference:
    """How far what arrived is from what was written, in lines."""

    lost: int = 0
    repeated: int = 0
    disordered: int = 0


@dataclass(frozen=True)
class Account:
    """The closing account; `as_json` is what `rollcast demo --once --json` prints."""

    targets: Mapping[str, int]
    written: int
    stored: int
    received: int
    bytes_same: bool
    difference: Difference
    all_ended: bool

    @property
    def closed(self) -> bool:
        """Whether every line that was written arrived, once and in order, and every target ended."""
        return (
            self.difference == Difference()
            and 0 < self.written == self.stored == self.received
            and self.bytes_same
            and self.all_ended
        )

    def as_json(self, *, hosts: int, console_peak_mb: float, seconds: float) -> dict[str, object]:
        """The account as plain values, with what was measured beside it."""
        return {
            "hosts": hosts,
            "targets": dict(self.targets),
            "lines": {"written": self.written, "stored": self.stored, "received": self.received},
            "bytes_same": self.bytes_same,
            "lost": self.difference.lost,
            "repeated": self.difference.repeated,
            "disordered": self.difference.disordered,
            "console_peak_mb": console_peak_mb,
            "seconds": seconds,
            "closed": self.closed,
        }


def account_text(said: Mapping[str, Any]) -> str:
    """`as_json` for people."""
    lines = said["lines"]
    return (
        f"{said['hosts']} hosts: " + ", ".join(f"{n} {state}" for state, n in said["targets"].items()) + "\n"
        f"lines written {lines['written']}, stored {lines['stored']}, received {lines['received']}\n"
        f"lost {said['lost']}, repeated {said['repeated']}, disordered {said['disordered']}; "
        f"bytes {'the same' if said['bytes_same'] else 'NOT the same'}\n"
        f"console at most {said['console_peak_mb']} MB, {said['seconds']} s\n"
        f"the account is {'closed' if said['closed'] else 'OPEN'}"
    )


def close_account(
    journals: Sequence[Journal],
    stored: Sequence[Event],
    received: Sequence[Event],
    target_states: Sequence[str],
    end_states: frozenset[str],
) -> Account:
    """Draw up the account; `journals` are in the order in which each target's steps ran."""
    written, in_store, arrived = written_lines(journals), lines_of(stored), lines_of(received)
    here, there = compare(written, in_store), compare(written, arrived)
    return Account(
        targets=dict(sorted(Counter(target_states).items())),
        written=_count(written),
        stored=_count(in_store),
        received=_count(arrived),
        bytes_same=all(journal.same for journal in journals),
        difference=Difference(
            max(here.lost, there.lost),
            max(here.repeated, there.repeated),
            max(here.disordered, there.disordered),
        ),
        all_ended=all(state in end_states for state in target_states),
    )


def written_lines(journals: Iterable[Journal]) -> Lines:
    """The lines in the journals, lane by lane; a last line without a newline is a line too."""
    lines: Lines = {}
    for journal in journals:
        text = journal.content.decode("utf-8", "backslashreplace").replace("\0", "\N{SYMBOL FOR NULL}")
        parts = text.split("\n")
        if not parts[-1]:
            parts.pop()
        lines.setdefault(journal.lane, []).extend(Line(journal.origin, part) for part in parts)
    return lines


def lines_of(events: Iterable[Event]) -> Lines:
    """The lines of a feed's events, lane by lane, with pieces joined to the lines they belong to."""
    lines: Lines = {}
    unfinished: dict[str, Line] = {}
    for event in events:
        if event.kind not in (LINE, CONT) or event.origin is None:
            continue
        before = unfinished.pop(event.lane, None)
        if before is not None and before.origin != event.origin:
            lines.setdefault(event.lane, []).append(before)
            before = None
        line = Line(event.origin, (before.text if before else "") + _text(event.data))
        if event.kind == CONT:
            unfinished[event.lane] = line
        else:
            lines.setdefault(event.lane, []).append(line)
    for lane, line in unfinished.items():
        lines.setdefault(lane, []).append(line)
    return lines


def _text(data: object) -> str:
    return str(data["text"]) if isinstance(data, dict) else str(data)


def _count(lines: Lines) -> int:
    return sum(map(len, lines.values()))


def compare(written: Lines, arrived: Lines) -> Difference:
    """Compare lane by lane; a lane that only one side has counts in full."""
    lost = repeated = disordered = 0
    for lane in written.keys() | arrived.keys():
        expected, got = written.get(lane, []), arrived.get(lane, [])
        if expected == got:
            continue
        missing, surplus = Counter(expected), Counter(got)
        missing.subtract(got)
        surplus.subtract(expected)
        lost += sum((+missing).values())
        repeated += sum((+surplus).values())
        pairs = zip(_without(expected, missing), _without(got, surplus), strict=True)
        disordered += sum(one != other for one, other in pairs)
    return Difference(lost, repeated, disordered)


def _without(lines: Sequence[Line], excess: Mapping[Line, int]) -> list[Line]:
    """`lines` with the last occurrences of each line in excess left out."""
    left = dict(excess)
    kept = []
    for line in reversed(lines):
        if left.get(line, 0) > 0:
            left[line] -= 1
        else:
            kept.append(line)
    kept.reverse()
    return kept


def sabotage(events: Sequence[Event], how: Sabotage) -> list[Event]:
    """Damage what a client received, in the middle of the busiest lane: the account must notice."""
    damaged = list(events)
    of_lane = Counter(event.lane for event in events if event.kind == LINE)
    (lane, _count_of_lines), *_rest = of_lane.most_common(1)
    places = [place for place, event in enumerate(events) if event.kind == LINE and event.lane == lane]
    first = places[len(places) // 2]
    if how == "drop":
        del damaged[first]
    elif how == "repeat":
        damaged.insert(first, damaged[first])
    else:
        other = next(
            place
            for place in (*places[len(places) // 2 :], *places)
            if _text(events[place].data) != _text(events[first].data)
        )
        damaged[first], damaged[other] = damaged[other], damaged[first]
    return damaged
