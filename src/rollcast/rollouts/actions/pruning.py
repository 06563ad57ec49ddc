"""Retention: the output of rollouts that ended long ago is pruned from their feeds.

Rows, states, accounts of journals and the audit stay, and so does the feed: a retry goes on in it, and a page
says how many events are no longer kept. Never touched are rollouts that have not ended, however old, and
those with a step whose journal could not be matched: what is stored of that is the only trace.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

import livefeed
from livefeed.retention import holding
from rollcast.engine.states import JOURNAL_DIFFERS, ROLLOUT_ENDS
from rollcast.rollouts.keys import feed_key
from rollcast.rollouts.models import Rollout, StepRun

# Rollouts that one look asks the feeds about.
_LOOK: Final = 200


def with_old_output(ended_before: datetime) -> list[int]:
    """Rollouts that may be pruned and hold output still, oldest first; there may be more. Empty: none."""
    ids = list(_old(ended_before).order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), _LOOK):
        some = ids[start : start + _LOOK]
        kept = holding([feed_key(pk) for pk in some])
        if kept:
            return [pk for pk in some if feed_key(pk) in kept]
    return []


def prune_output(rollout_id: int, ended_before: datetime) -> bool:
    """Prune a part of the rollout's output, as much as one short transaction can; whether there is more.

    Nothing happens to a rollout that may not be pruned (any more: somebody has tried it again).
    """
    with transaction.atomic():
        if not _old(ended_before).select_for_update(of=("self",)).filter(pk=rollout_id).exists():
            return False
        return livefeed.prune(feed_key(rollout_id), keep=0, batches=1).more


def _old(ended_before: datetime) -> QuerySet[Rollout]:
    unmatched = StepRun.objects.filter(target__rollout=OuterRef("pk"), reason=JOURNAL_DIFFERS)
    ended = Rollout.objects.filter(state__in=[state.value for state in ROLLOUT_ENDS])
    return ended.filter(~Exists(unmatched), ended_at__lt=ended_before)
