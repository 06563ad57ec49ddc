"""THE ONLY WRITER of states, events and audit of rollouts.

Each function here is one transaction: rows by compare-and-set, the events of the feed, the audit entry.
Pages, API, CLI and workers call these and nothing else; leases (who may act) are the business of `leases`.
"""

from __future__ import annotations

from rollcast.rollouts.actions.conducting import conduct
from rollcast.rollouts.actions.ledger import bounded
from rollcast.rollouts.actions.people import (
    NotPossible,
    RolloutNotFound,
    accept_rollout,
    cancel_rollout,
    pause_rollout,
    resume_rollout,
    retry_rollout,
)
from rollcast.rollouts.actions.pruning import prune_output, with_old_output
from rollcast.rollouts.actions.starting import (
    Preview,
    StartRequest,
    UploadedFile,
    preview_rollout,
    start_rollout,
)
from rollcast.rollouts.actions.work import (
    Entry,
    OutputEntry,
    Piece,
    ProgressEntry,
    StepChange,
    TargetChange,
    begin_step,
    record,
    tell_takeovers,
)

__all__ = [
    "Entry",
    "NotPossible",
    "OutputEntry",
    "Piece",
    "Preview",
    "ProgressEntry",
    "RolloutNotFound",
    "StartRequest",
    "StepChange",
    "TargetChange",
    "UploadedFile",
    "accept_rollout",
    "begin_step",
    "bounded",
    "cancel_rollout",
    "conduct",
    "pause_rollout",
    "preview_rollout",
    "prune_output",
    "record",
    "resume_rollout",
    "retry_rollout",
    "start_rollout",
    "tell_takeovers",
    "with_old_output",
]
