"""Station 5: decide and carry out, until there is nothing to decide."""

from __future__ import annotations

from typing import Final

from rollcast.rollouts import actions
from rollcast.rollouts.leases import Held

# Rounds in one look. A decision leads to another one (pending → running → its targets go) a few times at
# most; a look that still has something to say after that is followed by the next one anyway.
MAX_ROUNDS: Final = 5


def conduct(held: Held, now: float) -> bool:
    """Decide on a rollout that this worker holds, on the database thread; whether anything was changed."""
    for round_no in range(MAX_ROUNDS):
        if not actions.conduct(held.id, held.fence, now):
            return round_no > 0
    return True
