"""What the worker of a target writes: the beginning of a step, and station 8, output and changes of state.

Every change of state names the fence under which its worker holds the row; a worker that lost it changes
nothing and is told so. Output needs no fence: a journal's bytes at an offset are the same for everyone, so a
chunk is accepted by its mark, once, whoever brings it (livefeed). What a worker has read is kept with it as a
*stretch* (from, to, SHA-256), so that the account of a journal can be closed after any number of takeovers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

import livefeed
from rollcast import dispatch
from rollcast.engine import events
from rollcast.engine.states import StepState, TargetState, Wanted
from rollcast.rollouts.actions.ledger import Ledger, bounded, one_transaction
from rollcast.rollouts.keys import lane_key, origin_key
from rollcast.rollouts.leases import WORKED_ON, Held
from rollcast.rollouts.models import Rollout, StepRun, Target


@dataclass(frozen=True)
class Piece:
    """A line or a part of one, as `livefeed` stores it; `end` is the journal's offset after it."""

    kind: str
    item: object
    end: int


@dataclass(frozen=True)
class OutputEntry:
    """Output of a step run from the journal's offset `before`, and what its reader has read by now."""

    target_id: int
    step_index: int
    attempt: int
    before: int
    pieces: Sequence[Piece]
    stretch_from: int
    stretch_sha256: str  # of the raw bytes from `stretch_from` to the last piece's end


@dataclass(frozen=True)
class StepChange:
    """A step run goes from one of `old` to `new`; `fields` are columns of StepRun that change with it."""

    target_id: int
    fence: int
    step_index: int
    attempt: int
    old: frozenset[StepState]
    new: StepState
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TargetChange:
    """A target goes from one of `old` to `new`."""

    target_id: int
    fence: int
    old: frozenset[TargetState]
    new: TargetState
    reason: str = ""
    detail: str = ""  # what the host or a program said of it


@dataclass(frozen=True)
class ProgressEntry:
    """How far an upload has come; nothing depends on it."""

    target_id: int
    step_index: int
    bytes: int
    total: int


Entry = OutputEntry | StepChange | TargetChange | ProgressEntry


def tell_takeovers(worker_id: int, claimed: Sequence[Held]) -> None:
    """Add the event of each of these targets that another worker had held until it fell silent.

    The claim is in force without it: a worker that dies in between leaves a takeover that nobody was told of.
    """
    by = {held.id: held for held in claimed if held.before is not None}
    with one_transaction() as ledger:
        targets = Target.objects.select_for_update(of=("self",)).filter(pk__in=by, worker=worker_id)
        for row in targets.filter(state__in=WORKED_ON).select_related("worker").order_by("pk"):
            held = by[row.pk]
            if row.fence == held.fence and held.before is not None and row.worker is not None:
                ledger.taken_over(row, row.worker.name, held.before)


def begin_step(target_id: int, fence: int, step_index: int, attempt: int) -> bool:
    """Write that this attempt is about to be started, before anything is sent to the host.

    False, and nothing may be sent, if the target is held by another worker, is not running, has this attempt
    already, or if the rollout is no longer wanted to run.
    """
    with one_transaction() as ledger:
        # The rollout's row first: while a person pauses it, no step begins.
        rollout = Rollout.objects.select_for_update(of=("self",)).filter(targets=target_id).first()
        if rollout is None or rollout.wanted != Wanted.RUN.value:
            return False
        mine = Target.objects.select_for_update().filter(pk=target_id, fence=fence)
        target = mine.filter(state=TargetState.RUNNING.value).first()
        if target is None:
            return False
        if StepRun.objects.filter(target=target, step_index=step_index, attempt=attempt).exists():
            return False
        if not ledger.move_target(target, TargetState.RUNNING, step_index=step_index):
            return False
        ledger.begin_step(target, step_index, attempt)
        return True


def record(entries: Sequence[Entry]) -> list[bool]:
    """Store a tick of many targets in one transaction; says for each entry whether it stands now.

    Output that is stored already counts as standing; False means for output that it does not fit to what is
    stored (read again from the mark), for a change of state that another worker or another state was there.
    """
    with one_transaction() as ledger:
        tick = _Tick(ledger, entries)
        for number, entry in enumerate(entries):
            tick.take(number, entry)
        return tick.write()


class _Tick:
    """The rows that a tick's entries touch, read once and locked in the order of their ids."""

    def __init__(self, ledger: Ledger, entries: Sequence[Entry]) -> None:
        ids = {entry.target_id for entry in entries}
        targets = Target.objects.select_for_update()
        self._targets = {row.pk: row for row in targets.filter(pk__in=ids).order_by("pk")}
        wanted = {
            (entry.target_id, entry.step_index, entry.attempt)
            for entry in entries
            if isinstance(entry, OutputEntry | StepChange)
        }
        runs = StepRun.objects.select_for_update().filter(
            target__in={key[0] for key in wanted}, step_index__in={key[1] for key in wanted}
        )
        self._runs = {(run.target_id, run.step_index, run.attempt): run for run in runs.order_by("pk")}
        self._ledger = ledger
        self._answers = [False] * len(entries)
        self._outputs: list[tuple[int, OutputEntry, list[tuple[str, int]]]] = []

    def take(self, number: int, entry: Entry) -> None:
        """Apply one entry; what it came to is known after `write`."""
        target = self._targets.get(entry.target_id)
        if target is None:
            return
        match entry:
            case OutputEntry():
                places = [self._ledger.add(target.rollout_id, chunk) for chunk in _chunks(target, entry)]
                self._outputs.append((number, entry, places))
            case StepChange():
                self._answers[number] = self._step(target, entry)
            case TargetChange():
                self._answers[number] = self._target(target, entry)
            case ProgressEntry():
                data = {"step": entry.step_index, "bytes": entry.bytes, "total": entry.total}
                chunk = livefeed.Chunk(
                    lane=lane_key(target.pk), kind=events.UPLOAD_PROGRESS, items=[data], lane_name=target.name
                )
                self._ledger.add(target.rollout_id, chunk)
                self._answers[number] = True

    def write(self) -> list[bool]:
        """Append the events, then keep the stretches of the output that was stored."""
        results = self._ledger.write()
        grown: dict[int, StepRun] = {}
        for number, entry, places in self._outputs:
            statuses = [results[key][index].status for key, index in places]
            self._answers[number] = "gap" not in statuses
            run = self._runs.get((entry.target_id, entry.step_index, entry.attempt))
            if run is not None and "stored" in statuses and self._answers[number]:
                run.stretches = with_stretch(
                    run.stretches, entry.stretch_from, entry.pieces[-1].end, entry.stretch_sha256
                )
                grown[run.pk] = run
        _write_stretches(grown.values())
        return self._answers

    def _step(self, target: Target, change: StepChange) -> bool:
        run = self._runs.get((change.target_id, change.step_index, change.attempt))
        if run is None or target.fence != change.fence or StepState(run.state) not in change.old:
            return False
        return self._ledger.move_step(target, run, change.new, change.fields)

    def _target(self, target: Target, change: TargetChange) -> bool:
        if target.fence != change.fence or TargetState(target.state) not in change.old:
            return False
        if (target.state, target.reason, target.detail) == (
            change.new.value,
            change.reason,
            bounded(change.detail),
        ):
            return True
        if not self._ledger.move_target(target, change.new, reason=change.reason, detail=change.detail):
            return False
        dispatch.hint(target.rollout_id)
        return True


def with_stretch(stretches: Sequence[Sequence[Any]], start: int, end: int, sha256: str) -> list[list[Any]]:
    """The stretches with that of one reader, which begins at `start`, grown to `end`; in order of `start`."""
    others = [list(stretch) for stretch in stretches if stretch[0] != start]
    return sorted([*others, [start, end, sha256]], key=lambda stretch: int(stretch[0]))


def _chunks(target: Target, entry: OutputEntry) -> list[livefeed.Chunk]:
    """The entry's pieces as chunks of one kind each, every one with its part of the journal."""
    origin = origin_key(target.pk, entry.step_index, entry.attempt)
    chunks: list[livefeed.Chunk] = []
    before, start = entry.before, 0
    pieces = entry.pieces
    for stop in range(1, len(pieces) + 1):
        if stop < len(pieces) and pieces[stop].kind == pieces[start].kind:
            continue
        part = pieces[start:stop]
        chunks.append(
            livefeed.Chunk(
                lane=lane_key(target.pk),
                kind=part[0].kind,
                items=[piece.item for piece in part],
                origin=origin,
                before=before,
                after=part[-1].end,
                lane_name=target.name,
            )
        )
        before, start = part[-1].end, stop
    return chunks


def _write_stretches(runs: Iterable[StepRun]) -> None:
    """One statement for all: an UPDATE a row through the ORM costs more than the lines themselves."""
    column = StepRun._meta.get_field("stretches")
    rows = [(column.get_db_prep_save(run.stretches, connection), run.pk) for run in runs]
    if rows:
        table = connection.ops.quote_name(StepRun._meta.db_table)
        with connection.cursor() as cursor:
            cursor.executemany(f"UPDATE {table} SET stretches = %s WHERE id = %s", rows)  # noqa: S608
