"""Station 5: what the rules say of a rollout's rows is done to these very rows.

Promise: no verb of a person, no step and no host's failure comes between a decision and what it does. Why
true: one transaction locks the rollout's row and its targets', reads, decides and writes; whoever pauses or
cancels needs the rollout's row, whoever begins or ends a step the target's. (SQLite locks the database as a
whole, PostgreSQL these rows; all take them in the order rollout, targets by id, feed.) What would break it:
reading the snapshot before the locks are held, or a writer of `wanted`, of a target or of a step run that
takes none of them.
"""

from __future__ import annotations

from rollcast.engine.decide import MoveRollout, decide
from rollcast.rollouts.actions.ledger import one_transaction
from rollcast.rollouts.models import Rollout, Target
from rollcast.rollouts.queries import snapshot_of


def conduct(rollout_id: int, fence: int, now: float) -> bool:
    """Decide on the rollout once and carry that out; whether anything was changed.

    Nothing is changed if another worker holds the rollout by now. Call it again until it answers False.
    """
    with one_transaction() as ledger:
        row = Rollout.objects.select_for_update().filter(pk=rollout_id, fence=fence).first()
        if row is None:
            return False
        targets = {
            target.pk: target
            for target in Target.objects.select_for_update().filter(rollout=row).order_by("pk")
        }
        commands = decide(snapshot_of(row), now)
        for command in commands:
            if isinstance(command, MoveRollout):
                ledger.move_rollout(row, command.state, reason=command.reason)
            else:
                ledger.move_target(targets[command.target_id], command.new, reason=command.reason)
        return bool(commands)
