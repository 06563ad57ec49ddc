"""One transaction's changes: rows by compare-and-set, and the events that tell of them.

Promise: whoever has read the rows at some moment and applies the feed's events after the head of that moment
has the rows of any later moment. Why true: a `Ledger` is the only code that changes a state; each change adds
its event, and all events are appended at the end of the same transaction (the feed's row is the last one
locked, several feeds in key order). What would break it: an UPDATE of a shown column anywhere else; an append
outside the transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

import livefeed
from rollcast.engine import events
from rollcast.engine.states import (
    ROLLOUT_ENDS,
    ROLLOUT_MOVES,
    STEP_ENDS,
    STEP_MOVES,
    TARGET_MOVES,
    RolloutState,
    StepState,
    TargetState,
    Wanted,
)
from rollcast.rollouts.keys import feed_key, lane_key, ms, origin_key
from rollcast.rollouts.leases import Silent
from rollcast.rollouts.models import DETAIL_LENGTH, Rollout, StepRun, Target
from rollcast.rollouts.shown import run_json


@dataclass
class Ledger:
    """What one transaction has changed so far. `at` is its time: of every row and event alike."""

    at: datetime
    _chunks: dict[str, list[livefeed.Chunk]] = field(default_factory=dict)
    _closing: set[str] = field(default_factory=set)

    def add(self, rollout_id: int, chunk: livefeed.Chunk) -> tuple[str, int]:
        """Append the chunk at the end of the transaction; answers where its result will stand."""
        chunks = self._chunks.setdefault(feed_key(rollout_id), [])
        chunks.append(chunk)
        return feed_key(rollout_id), len(chunks) - 1

    def told(self, rollout_id: int, kind: str, actor: str, **detail: object) -> None:
        """The event of what a person asked for."""
        data = {"by": actor, **detail}
        self.add(rollout_id, livefeed.Chunk(lane=events.ROLLOUT_LANE, kind=kind, items=[data]))

    def move_rollout(
        self, row: Rollout, state: RolloutState, *, reason: str = "", wanted: Wanted | None = None
    ) -> bool:
        """Bring a rollout into `state` (maybe the one it has) and `wanted`; False if another was first.

        ValueError for a move that the table of states does not have.
        """
        old = RolloutState(row.state)
        if state is not old and state not in ROLLOUT_MOVES[old]:
            raise ValueError(f"no rollout goes from {old.value} to {state.value}")
        changes: dict[str, Any] = {"state": state.value, "reason": reason}
        if wanted is not None:
            changes["wanted"] = wanted.value
        if row.started_at is None and state is not RolloutState.PENDING:
            changes["started_at"] = self.at
        changes["ended_at"] = (row.ended_at or self.at) if state in ROLLOUT_ENDS else None
        if not _compare_and_set(row, changes):
            return False
        data = {"state": row.state, "wanted": row.wanted, "version": row.version, "reason": row.reason}
        self.add(row.pk, livefeed.Chunk(lane=events.ROLLOUT_LANE, kind=events.ROLLOUT_STATE, items=[data]))
        if state in ROLLOUT_ENDS:
            self._closing.add(feed_key(row.pk))
        return True

    def move_target(
        self,
        row: Target,
        state: TargetState,
        *,
        reason: str = "",
        detail: str = "",
        step_index: int | None = None,
    ) -> bool:
        """Bring a target into `state` (which may be the one it has); False if another was first.

        ValueError for a move that the table of states does not have.
        """
        old = TargetState(row.state)
        if state is not old and state not in TARGET_MOVES[old]:
            raise ValueError(f"no target goes from {old.value} to {state.value}")
        changes: dict[str, Any] = {"state": state.value, "reason": reason, "detail": bounded(detail)}
        if state is not old:
            changes["since"] = self.at
        if step_index is not None:
            changes["step_index"] = step_index
        if not _compare_and_set(row, changes):
            return False
        data = {
            "target": row.pk,
            "state": row.state,
            "step_index": row.step_index,
            "reason": row.reason,
            "detail": row.detail,
            "version": row.version,
            "since_ms": ms(row.since),
        }
        self._target_event(row, events.TARGET_STATE, data, origin=None)
        return True

    def taken_over(self, row: Target, by: str, before: Silent) -> None:
        """The event of a worker that goes on where another one fell silent."""
        since_ms = round(before.beat_at * 1000)
        data = {"target": row.pk, "by": by, "before": before.name, "silent_since_ms": since_ms}
        self._target_event(row, events.TARGET_TAKEN_OVER, data, origin=None)

    def begin_step(self, target: Target, step_index: int, attempt: int) -> None:
        """Add the row of a new attempt, `starting`; IntegrityError if it is there."""
        row = StepRun(target=target, step_index=step_index, attempt=attempt, state=StepState.STARTING.value)
        row.save(force_insert=True)
        self._step_event(target, row)

    def move_step(self, target: Target, row: StepRun, state: StepState, changes: Mapping[str, Any]) -> bool:
        """Bring a step run into `state` (which may be the one it has); False if another was first.

        ValueError for a move that the table of states does not have.
        """
        old = StepState(row.state)
        if state is not old and state not in STEP_MOVES[old]:
            raise ValueError(f"no step run goes from {old.value} to {state.value}")
        stamps: dict[str, Any] = {}
        if state is StepState.RUNNING and row.started_at is None:
            stamps["started_at"] = self.at
        if state in STEP_ENDS and state is not old:
            stamps["ended_at"] = self.at
        if "detail" in changes:
            stamps["detail"] = bounded(str(changes["detail"]))
        if not _compare_and_set(row, {**changes, **stamps, "state": state.value}):
            return False
        self._step_event(target, row)
        return True

    def write(self) -> dict[str, list[livefeed.Result]]:
        """Append everything, in key order; answers the results by feed, in the order of `add`."""
        keys = sorted(self._chunks)
        answers = livefeed.append_many([(key, self._chunks[key]) for key in keys], at_ms=ms(self.at))
        for key in sorted(self._closing):
            livefeed.close(key)
        self._chunks = {}
        self._closing = set()
        return dict(zip(keys, answers, strict=True))

    def _step_event(self, target: Target, row: StepRun) -> None:
        data = {"target": target.pk, **run_json(row)}
        origin = origin_key(target.pk, row.step_index, row.attempt)
        self._target_event(target, events.STEP_STATE, data, origin)

    def _target_event(self, target: Target, kind: str, data: dict[str, object], origin: str | None) -> None:
        chunk = livefeed.Chunk(
            lane=lane_key(target.pk), kind=kind, items=[data], origin=origin, lane_name=target.name
        )
        self.add(target.rollout_id, chunk)


@contextmanager
def one_transaction() -> Iterator[Ledger]:
    """A transaction (or a part of the caller's) whose events are appended at its end."""
    with transaction.atomic():
        ledger = Ledger(at=timezone.now())
        yield ledger
        ledger.write()


def bounded(detail: str) -> str:
    """One line of what somebody said, as much of it as there is room for."""
    said = " ".join(detail.replace("\0", "\N{SYMBOL FOR NULL}").split())
    return said if len(said) <= DETAIL_LENGTH else said[: DETAIL_LENGTH - 1] + "…"


def _compare_and_set(row: Rollout | Target | StepRun, changes: Mapping[str, Any]) -> bool:
    """Write `changes` and the next version if the row is as it was read; the object follows."""
    unchanged = type(row)._default_manager.filter(pk=row.pk, version=row.version, state=row.state)
    if unchanged.update(**changes, version=row.version + 1) != 1:
        return False
    for name, value in changes.items():
        setattr(row, name, value)
    row.version += 1
    return True
