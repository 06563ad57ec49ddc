"""What happens next: the whole rule book of a rollout, pure functions of a snapshot.

What it promises, whatever crashes, is lost or comes twice around it:

1. Waves in order: no target is set going while one of an earlier wave has not ended.
2. Parallel kept: at no time are more than `parallel` targets active (running, lost or cancelling).
3. The budget holds: once more targets failed than it allows, no further target is set going.
4. Pause and cancel set nothing going: neither a target nor a step.
5. No step is started a second time unless its `rerun` says `always`, nothing of it ever ran, or a person
   allowed exactly one more attempt.
6. No end state while a process may live: a rollout ends only when every target has ended, and `next_action`
   ends a target only while none of its step runs is busy. The one exception has a name beside it: a person
   accepted that the host could not confirm it (`engine.accept`).
7. Every rollout ends, or waits for a host or a named person.

Why true: each rule below looks at rows alone, and each of its commands is carried out as a compare-and-set of
the state it was decided on. What would break it: deciding in one transaction and carrying out in another one
(a host may have failed, a person paused or retried in between: the simulation shows 1 and 4 broken by it);
starting a step without looking whether the rollout still wants to run; or recording a step's end without its
evidence.

`decide` is called again after its commands were carried out, until it answers none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rollcast.engine.budget import exceeded
from rollcast.engine.recipe_model import Rerun, Step
from rollcast.engine.retry import RetryTarget, may_be_retried, retry_plan
from rollcast.engine.snapshot import Snapshot, StepRunView, TargetView
from rollcast.engine.states import (
    BUDGET_EXCEEDED,
    CANCEL_TOO_LATE,
    HOSTS_SKIPPED,
    INTERRUPTED,
    NOTHING_RAN,
    ROLLOUT_ENDS,
    TARGET_ACTIVE,
    TARGET_ENDS,
    RolloutState,
    StepState,
    TargetState,
    Wanted,
)

__all__ = [
    "Attach",
    "AwaitPerson",
    "Command",
    "Finish",
    "Hold",
    "MoveRollout",
    "MoveTarget",
    "RetryTarget",
    "Snapshot",
    "StartStep",
    "StepRunView",
    "Stop",
    "TargetAction",
    "TargetView",
    "decide",
    "may_be_retried",
    "next_action",
    "retry_plan",
]


@dataclass(frozen=True)
class MoveRollout:
    """Bring the rollout into `state`."""

    state: RolloutState
    reason: str = ""


@dataclass(frozen=True)
class MoveTarget:
    """Bring a target from `old` to `new`; if it is not in `old` any more, nothing happens."""

    target_id: int
    old: TargetState
    new: TargetState
    reason: str = ""


Command = MoveRollout | MoveTarget


def decide(snapshot: Snapshot, now: float) -> Sequence[Command]:
    """What a rollout's conductor does next; empty = wait. `now` (Unix time, s) is for rules about time."""
    if snapshot.state in ROLLOUT_ENDS:
        return ()
    if all(target.state in TARGET_ENDS for target in snapshot.targets):
        return [_end(snapshot)]
    if snapshot.wanted is Wanted.CANCEL:
        return list(_cancel(snapshot))
    if exceeded(_n_failed(snapshot), snapshot.failure_limit) and _pending(snapshot):
        return [_move(target, TargetState.SKIPPED, BUDGET_EXCEEDED) for target in _pending(snapshot)]
    if snapshot.wanted is Wanted.PAUSE:
        return list(_pause(snapshot))
    return list(_go_on(snapshot))


def _go_on(snapshot: Snapshot) -> Iterator[Command]:
    """Set going what may go: the first wave that has not ended, in name order, as far as there are places."""
    if snapshot.state is not RolloutState.RUNNING:
        yield MoveRollout(RolloutState.RUNNING)
    places = snapshot.parallel - sum(target.state in TARGET_ACTIVE for target in snapshot.targets)
    wave = min(target.wave for target in snapshot.targets if target.state not in TARGET_ENDS)
    waiting = [target for target in _pending(snapshot) if target.wave == wave]
    for target in waiting[: max(places, 0)]:
        yield _move(target, TargetState.RUNNING)


def _pause(snapshot: Snapshot) -> Iterator[Command]:
    """Nothing is set going; the rollout is `paused` once no step is under way any more."""
    under_way = any(target.busy for target in snapshot.targets)
    if snapshot.state is not RolloutState.PAUSED and not under_way:
        yield MoveRollout(RolloutState.PAUSED)


def _cancel(snapshot: Snapshot) -> Iterator[Command]:
    """What did not begin is cancelled at once; of what did, its worker makes sure that it is gone."""
    if snapshot.state is not RolloutState.CANCELLING:
        yield MoveRollout(RolloutState.CANCELLING)
    for target in _in_order(snapshot.targets):
        if target.state is TargetState.PENDING:
            yield _move(target, TargetState.CANCELLED)
        elif target.state in {TargetState.RUNNING, TargetState.LOST}:
            yield _move(target, TargetState.CANCELLING)


def _end(snapshot: Snapshot) -> MoveRollout:
    """The end state, once every target has ended."""
    if snapshot.state is RolloutState.CANCELLING:
        return MoveRollout(RolloutState.CANCELLED)
    reason = CANCEL_TOO_LATE if snapshot.wanted is Wanted.CANCEL else ""
    if exceeded(_n_failed(snapshot), snapshot.failure_limit):
        return MoveRollout(RolloutState.FAILED, BUDGET_EXCEEDED)
    if any(target.state in {TargetState.SKIPPED, TargetState.CANCELLED} for target in snapshot.targets):
        return MoveRollout(RolloutState.FAILED, HOSTS_SKIPPED)
    return MoveRollout(RolloutState.SUCCEEDED, reason)


def _n_failed(snapshot: Snapshot) -> int:
    return sum(target.state is TargetState.FAILED for target in snapshot.targets)


def _pending(snapshot: Snapshot) -> list[TargetView]:
    return _in_order([target for target in snapshot.targets if target.state is TargetState.PENDING])


def _in_order(targets: Sequence[TargetView]) -> list[TargetView]:
    return sorted(targets, key=lambda target: (target.wave, target.name, target.id))


def _move(target: TargetView, new: TargetState, reason: str = "") -> MoveTarget:
    return MoveTarget(target.id, target.state, new, reason)


@dataclass(frozen=True)
class StartStep:
    """Write the step run as `starting`, then start it. A `lost` target becomes `running` before that."""

    step_index: int
    attempt: int


@dataclass(frozen=True)
class Attach:
    """Something may be running: attach, never start. `starting` without a `started` seen: seal first."""

    step_index: int
    attempt: int


@dataclass(frozen=True)
class AwaitPerson:
    """Stay as you are, with `reason`, until a person retries or cancels."""

    reason: str


@dataclass(frozen=True)
class Hold:
    """Nothing to do for this target now."""


@dataclass(frozen=True)
class Stop:
    """Seal and stop this step run, record what was seen; ask again afterwards."""

    step_index: int
    attempt: int


@dataclass(frozen=True)
class Finish:
    """Bring the target into this end state: none of its step runs is busy."""

    state: TargetState
    reason: str = ""


TargetAction = StartStep | Attach | AwaitPerson | Hold | Stop | Finish


def next_action(target: TargetView, steps: Sequence[Step], wanted: Wanted) -> TargetAction:
    """What the worker that holds `target` does next. `wanted` is the rollout's."""
    latest = target.latest
    if target.state is TargetState.CANCELLING:
        if latest is not None and target.busy:
            return Stop(latest.step_index, latest.attempt)
        return Finish(TargetState.CANCELLED)
    if target.state not in TARGET_ACTIVE:
        return Hold()
    if latest is None:
        return _start(target.step_index, 1, wanted)
    if target.busy:
        return Attach(latest.step_index, latest.attempt)
    if latest.state is StepState.SUCCEEDED:
        if latest.step_index + 1 >= len(steps):
            return Finish(TargetState.SUCCEEDED)
        return _start(latest.step_index + 1, 1, wanted)
    if latest.retried:
        return _start(latest.step_index, latest.attempt + 1, wanted)
    if latest.state is StepState.INTERRUPTED:
        return _after_interruption(latest, steps[latest.step_index].rerun, wanted)
    return Finish(TargetState.FAILED, latest.reason)


def _after_interruption(latest: StepRunView, rerun: Rerun, wanted: Wanted) -> TargetAction:
    """The step is gone and left no exit record: who knows how far it came. Its recipe says what then."""
    if latest.reason == NOTHING_RAN or rerun is Rerun.ALWAYS:
        return _start(latest.step_index, latest.attempt + 1, wanted)
    if rerun is Rerun.NEVER:
        return Finish(TargetState.FAILED, INTERRUPTED)
    return AwaitPerson(INTERRUPTED)


def _start(step_index: int, attempt: int, wanted: Wanted) -> StartStep | Hold:
    """A start, if the rollout wants to run: the one place where steps are let go."""
    return StartStep(step_index, attempt) if wanted is Wanted.RUN else Hold()
