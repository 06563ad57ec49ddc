"""The states of a rollout, of its targets and of their step runs, and the moves between them.

Promise: no row ever makes a move that is not listed here. Why true: the only writer (`rollouts.actions`)
checks each change against these tables and carries it out as a compare-and-set of the old state. What would
break it: writing a state anywhere else.

Who moves a row out of a state stands beside each entry: *conductor* = the worker that holds the rollout and
carries out `engine.decide`; *worker* = the one that holds the target; *person* = an action asked for by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class RolloutState(StrEnum):
    """Where a rollout stands."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = (
        "paused"  # nothing is under way on any host; while steps still end, it is `running`, wanted `pause`
    )
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"  # failures within the budget, nothing skipped
    FAILED = "failed"
    CANCELLED = "cancelled"


class TargetState(StrEnum):
    """Where one host stands within a rollout."""

    PENDING = "pending"
    RUNNING = "running"
    LOST = "lost"  # no contact, and something may be running there; not `failed`
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class StepState(StrEnum):
    """Where one attempt of one step on one target stands."""

    PENDING = "pending"
    STARTING = "starting"  # written before the start is sent: from here on something may be running
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class StopEvidence(StrEnum):
    """What was seen on the host when a step was cancelled."""

    STOPPED = "stopped"
    ALREADY_ENDED = "already_ended"
    UNCONFIRMED = "unconfirmed"


class Wanted(StrEnum):
    """What people want of a rollout; the conductor brings its state there."""

    RUN = "run"
    PAUSE = "pause"
    CANCEL = "cancel"


# Reasons that the rules themselves give or read. Others (exit codes, what SSH said) come from the worker.
BUDGET_EXCEEDED: Final = "budget_exceeded"  # rollout failed, target skipped
HOSTS_SKIPPED: Final = (
    "hosts_skipped"  # rollout failed although its failures are within budget: a partial retry
)
INTERRUPTED: Final = (
    "interrupted"  # the step is gone without an exit record: target failed, or waits for a person
)
NOTHING_RAN: Final = (
    "nothing_ran"  # step interrupted, but its folder was sealed: the start never reached the host
)
# A step run of which not all that the host wrote is stored: its output is kept, whatever its age.
JOURNAL_DIFFERS: Final = "journal_differs"
# The recipe's text was valid when the rollout was started and is not any more (a newer Rollcast reads it).
RECIPE_UNREADABLE: Final = "recipe_unreadable"
# With one of these a running target holds its place and waits for a person.
WAITING_REASONS: Final = frozenset({INTERRUPTED, RECIPE_UNREADABLE})
CANCEL_TOO_LATE: Final = "cancel_too_late"  # rollout ended by itself before the cancel was seen

ROLLOUT_MOVES: Final[Mapping[RolloutState, frozenset[RolloutState]]] = {
    # conductor, at its first look
    RolloutState.PENDING: frozenset(
        {
            RolloutState.RUNNING,
            RolloutState.PAUSED,
            RolloutState.CANCELLING,
            RolloutState.SUCCEEDED,
            RolloutState.FAILED,
        }
    ),
    # conductor: pause once nothing is under way, cancel at once, ends once every target has ended
    RolloutState.RUNNING: frozenset(
        {RolloutState.PAUSED, RolloutState.CANCELLING, RolloutState.SUCCEEDED, RolloutState.FAILED}
    ),
    # conductor, after a person resumed or cancelled, or when the last targets ended without a start
    # (unreachable)
    RolloutState.PAUSED: frozenset(
        {RolloutState.RUNNING, RolloutState.CANCELLING, RolloutState.SUCCEEDED, RolloutState.FAILED}
    ),
    # conductor, once every target has ended
    RolloutState.CANCELLING: frozenset({RolloutState.CANCELLED}),
    # person: retry
    RolloutState.SUCCEEDED: frozenset({RolloutState.RUNNING}),
    RolloutState.FAILED: frozenset({RolloutState.RUNNING}),
    # nobody: a new rollout is started instead
    RolloutState.CANCELLED: frozenset(),
}

TARGET_MOVES: Final[Mapping[TargetState, frozenset[TargetState]]] = {
    # conductor: its turn has come; the budget is exceeded; the rollout is cancelled
    TargetState.PENDING: frozenset({TargetState.RUNNING, TargetState.SKIPPED, TargetState.CANCELLED}),
    # worker: end of the last step, a failed step, loss of contact; conductor: cancelling
    TargetState.RUNNING: frozenset(
        {TargetState.SUCCEEDED, TargetState.FAILED, TargetState.LOST, TargetState.CANCELLING}
    ),
    # worker: contact is back; conductor: cancelling
    TargetState.LOST: frozenset({TargetState.RUNNING, TargetState.CANCELLING}),
    # worker: the step's processes were seen gone, or none was ever started; person: accept
    TargetState.CANCELLING: frozenset({TargetState.CANCELLED}),
    # person: retry
    TargetState.FAILED: frozenset({TargetState.PENDING}),
    TargetState.SKIPPED: frozenset({TargetState.PENDING}),
    # nobody
    TargetState.SUCCEEDED: frozenset(),
    TargetState.CANCELLED: frozenset(),
}

STEP_MOVES: Final[Mapping[StepState, frozenset[StepState]]] = {
    # worker: a step run's row is written as `starting`; `pending` and `skipped` are what a matrix shows
    # without a row
    StepState.PENDING: frozenset({StepState.STARTING, StepState.SKIPPED, StepState.CANCELLED}),
    # worker, by the host's word: started, ended already, gone, sealed; person: accept
    StepState.STARTING: frozenset(
        {
            StepState.RUNNING,
            StepState.SUCCEEDED,
            StepState.FAILED,
            StepState.INTERRUPTED,
            StepState.CANCELLED,
        }
    ),
    # worker, by the host's word; person: accept
    StepState.RUNNING: frozenset(
        {StepState.SUCCEEDED, StepState.FAILED, StepState.INTERRUPTED, StepState.CANCELLED}
    ),
    # nobody: what follows is another attempt, in a row of its own
    StepState.SUCCEEDED: frozenset(),
    StepState.FAILED: frozenset(),
    StepState.INTERRUPTED: frozenset(),
    StepState.CANCELLED: frozenset(),
    StepState.SKIPPED: frozenset(),
}

ROLLOUT_ENDS: Final = frozenset({RolloutState.SUCCEEDED, RolloutState.FAILED, RolloutState.CANCELLED})
TARGET_ENDS: Final = frozenset(
    {TargetState.SUCCEEDED, TargetState.FAILED, TargetState.CANCELLED, TargetState.SKIPPED}
)
STEP_ENDS: Final = frozenset(state for state, moves in STEP_MOVES.items() if not moves)
# A step run in one of these may have a living process on its host.
STEP_BUSY: Final = frozenset({StepState.STARTING, StepState.RUNNING})
# A target in one of these holds one of the rollout's `parallel` places.
TARGET_ACTIVE: Final = frozenset({TargetState.RUNNING, TargetState.LOST, TargetState.CANCELLING})
