"""The record of who asked for what."""

from __future__ import annotations

from collections.abc import Mapping

from rollcast.access.models import AuditEntry


def record(actor: str, verb: str, subject: str, detail: Mapping[str, object] | None = None) -> AuditEntry:
    """Write an entry, in the caller's transaction: what is rolled back was not done and is not recorded.

    `actor` is `user:<name>`, `cli:<os user>` or `worker:<name>`; `verb` is an event's name in the past tense
    (`rollout.paused`); `subject` names what it was done to (`rollout/42`); `detail` must be JSON.
    """
    return AuditEntry.objects.create(actor=actor, verb=verb, subject=subject, detail=dict(detail or {}))
