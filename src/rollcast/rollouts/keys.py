"""How a rollout's rows are named in its feed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def feed_key(rollout_id: int) -> str:
    """The key of the rollout's feed."""
    return f"rollout/{rollout_id}"


def lane_key(target_id: int) -> str:
    """The key of the target's lane in it."""
    return f"t{target_id}"


def origin_key(target_id: int, step_index: int, attempt: int) -> str:
    """Who wrote a step run's output; its mark is the journal's offset."""
    return f"t{target_id}/s{step_index}/a{attempt}"


def ms(moment: datetime) -> int:
    """Unix time in milliseconds."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)
