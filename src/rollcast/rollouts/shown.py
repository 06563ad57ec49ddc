"""Rows as plain values: what pages and API show, and what the events of the feed tell."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rollcast.engine.states import JOURNAL_DIFFERS
from rollcast.rollouts.keys import lane_key, ms

if TYPE_CHECKING:
    from rollcast.rollouts.models import Rollout, StepRun, Target


def rollout_json(row: Rollout) -> dict[str, Any]:
    """A rollout, without its targets."""
    return {
        "id": row.pk,
        "title": row.title,
        "recipe": row.revision.name,
        "state": row.state,
        "wanted": row.wanted,
        "reason": row.reason,
        "version": row.version,
        "params": row.params,
        "selector": row.selector,
        "waves": row.waves,
        "parallel": row.parallel,
        "failure_budget": row.failure_budget,
        "failure_limit": row.failure_limit,
        "created_by": row.created_by,
        "created_at_ms": ms(row.created_at),
        "started_at_ms": _ms_or_none(row.started_at),
        "ended_at_ms": _ms_or_none(row.ended_at),
    }


def target_json(row: Target, steps: list[dict[str, Any]]) -> dict[str, Any]:
    """A target with its step runs."""
    return {
        "id": row.pk,
        "lane": lane_key(row.pk),
        "name": row.name,
        "address": row.address,
        "wave": row.wave,
        "state": row.state,
        "since_ms": ms(row.since),
        "step_index": row.step_index,
        "reason": row.reason,
        "detail": row.detail,
        "version": row.version,
        "steps": steps,
    }


def run_json(run: StepRun) -> dict[str, Any]:
    """A step run as pages, API and events have it.

    `journal_same`: whether all that the host wrote is stored, by count and digest; None until that is known.
    """
    return {
        "step": run.step_index,
        "attempt": run.attempt,
        "state": run.state,
        "exit_code": run.exit_code,
        "reason": run.reason,
        "detail": run.detail,
        "journal_bytes": run.journal_bytes,
        "journal_sha256": run.journal_sha256,
        "journal_same": None if run.journal_bytes is None else run.reason != JOURNAL_DIFFERS,
        "stop_evidence": run.stop_evidence,
        "accepted_by": run.accepted_by,
        "accepted_reason": run.accepted_reason,
        "version": run.version,
    }


def _ms_or_none(moment: datetime | None) -> int | None:
    return None if moment is None else ms(moment)
