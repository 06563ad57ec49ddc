"""What a person asks of a rollout that was started: station 2 writes the intent, the conductor obeys it."""

from __future__ import annotations

from collections.abc import Sequence

import livefeed
from rollcast import dispatch
from rollcast.access import audit
from rollcast.engine import events
from rollcast.engine.accept import accept_plan, may_be_accepted
from rollcast.engine.decide import RetryTarget, retry_plan
from rollcast.engine.problems import InputError, Problem, gettext_noop
from rollcast.engine.states import ROLLOUT_ENDS, RolloutState, StepState, TargetState, Wanted
from rollcast.rollouts.actions.ledger import Ledger, one_transaction
from rollcast.rollouts.keys import feed_key
from rollcast.rollouts.models import Rollout, StepRun, Target
from rollcast.rollouts.queries import snapshot_of


class NotPossible(InputError):
    """The rollout's state does not allow what was asked for; nothing was changed."""


class RolloutNotFound(LookupError):
    """There is no rollout with that id."""


def pause_rollout(rollout_id: int, actor: str) -> None:
    """Let no further step start; steps under way end. NotPossible unless it is wanted to run."""
    with one_transaction() as ledger:
        row = _open_rollout(rollout_id, gettext_noop("Only a rollout that has not ended can be paused."))
        if row.wanted != Wanted.RUN.value:
            raise _not_possible(row, gettext_noop("It is not running."))
        _intend(ledger, row, Wanted.PAUSE, events.ROLLOUT_PAUSED, actor)


def resume_rollout(rollout_id: int, actor: str) -> None:
    """Let a paused rollout go on. NotPossible unless it is paused or about to be."""
    with one_transaction() as ledger:
        row = _open_rollout(rollout_id, gettext_noop("Only a paused rollout can be resumed."))
        if row.wanted != Wanted.PAUSE.value:
            raise _not_possible(row, gettext_noop("Only a paused rollout can be resumed."))
        _intend(ledger, row, Wanted.RUN, events.ROLLOUT_RESUMED, actor)


def cancel_rollout(rollout_id: int, actor: str) -> None:
    """Stop what runs on the hosts, start nothing more.

    Again, while a host has not confirmed it: such hosts are asked at once. NotPossible once it has ended, or
    while nothing is unconfirmed.
    """
    with one_transaction() as ledger:
        row = _open_rollout(rollout_id, gettext_noop("Only a rollout that has not ended can be cancelled."))
        again = row.wanted == Wanted.CANCEL.value
        if again and not any(may_be_accepted(target) for target in snapshot_of(row).targets):
            raise _not_possible(row, gettext_noop("It is being cancelled already."))
        _intend(ledger, row, Wanted.CANCEL, events.ROLLOUT_CANCELLED, actor)


def accept_rollout(rollout_id: int, actor: str, targets: Sequence[str], reason: str) -> None:
    """Take it on oneself that hosts (by name) did not confirm their cancel: they are `cancelled` as they are.

    The step keeps its evidence `unconfirmed`, with the actor's name and the reason beside it; its processes
    may live. NotPossible unless the rollout is being cancelled and a host is unconfirmed, InputError for
    other hosts and for a reason that is none.
    """
    with one_transaction() as ledger:
        cure = gettext_noop("Only a cancel that a host has not confirmed can be accepted.")
        row = _open_rollout(rollout_id, cure)
        rows = _locked_targets(row)
        views = snapshot_of(row).targets
        if not any(may_be_accepted(view) for view in views):
            raise _not_possible(row, cure)
        said = " ".join(reason.split())
        chosen = accept_plan(views, targets, said)
        for view in chosen:
            _accept(ledger, rows[view.id], actor, said)
        _told(
            ledger,
            row,
            events.ROLLOUT_ACCEPTED,
            actor,
            targets=sorted(view.name for view in chosen),
            reason=said,
        )


def _accept(ledger: Ledger, target: Target, actor: str, reason: str) -> None:
    """No fence: a worker that still asks the host finds other states than its own, and changes nothing."""
    runs = StepRun.objects.select_for_update().filter(target=target, step_index=target.step_index)
    run = runs.order_by("-attempt")[0]
    ledger.move_step(target, run, StepState.CANCELLED, {"accepted_by": actor, "accepted_reason": reason})
    ledger.move_target(target, TargetState.CANCELLED)


def retry_rollout(rollout_id: int, actor: str, targets: Sequence[str] | None = None) -> None:
    """Try failed, skipped and interrupted targets again, from the step that failed, in the same rollout.

    `targets` are host names, None means all that can be tried. A rollout that had ended `succeeded` or
    `failed` runs again and its feed is opened. NotPossible if there is nothing to try, InputError for unknown
    names.
    """
    with one_transaction() as ledger:
        row = _rollout(rollout_id)
        ended = RolloutState(row.state) in ROLLOUT_ENDS
        if row.state == RolloutState.CANCELLED.value or (row.wanted == Wanted.CANCEL.value and not ended):
            raise _not_possible(row, gettext_noop("A cancelled rollout is not tried again: start a new one."))
        rows = _locked_targets(row)
        chosen = _retry_plan(row, targets)
        if ended:
            livefeed.reopen(feed_key(row.pk))
            ledger.move_rollout(row, RolloutState.RUNNING, wanted=Wanted.RUN)
        for retry in chosen:
            target = rows[retry.target_id]
            if retry.grant:
                _grant_attempt(target)
            ledger.move_target(target, retry.new)
        names = sorted(rows[retry.target_id].name for retry in chosen)
        _told(ledger, row, events.ROLLOUT_RETRIED, actor, targets=names)


def _retry_plan(row: Rollout, targets: Sequence[str] | None) -> list[RetryTarget]:
    """What to retry; NotPossible when there is nothing, InputError for a choice that makes no sense."""
    try:
        return retry_plan(snapshot_of(row).targets, targets, row.failure_limit)
    except InputError as error:
        if targets is None:
            raise NotPossible(error.problems) from error
        raise


def _grant_attempt(target: Target) -> None:
    """One more attempt after the latest one of the target's current step; no page shows this column."""
    runs = StepRun.objects.filter(target=target, step_index=target.step_index)
    latest = runs.order_by("-attempt").values_list("pk", flat=True)[:1]
    StepRun.objects.filter(pk__in=list(latest)).update(retried=True)


def _intend(ledger: Ledger, row: Rollout, wanted: Wanted, verb: str, actor: str) -> None:
    ledger.move_rollout(row, RolloutState(row.state), reason=row.reason, wanted=wanted)
    _told(ledger, row, verb, actor)


def _told(ledger: Ledger, row: Rollout, verb: str, actor: str, **detail: object) -> None:
    ledger.told(row.pk, verb, actor, **detail)
    audit.record(actor, verb, f"rollout/{row.pk}", detail)
    dispatch.hint(row.pk)


def _locked_targets(row: Rollout) -> dict[int, Target]:
    targets = Target.objects.select_for_update().filter(rollout=row)
    return {target.pk: target for target in targets.order_by("pk")}


def _rollout(rollout_id: int) -> Rollout:
    row = Rollout.objects.select_for_update().filter(pk=rollout_id).first()
    if row is None:
        raise RolloutNotFound(f"there is no rollout {rollout_id}")
    return row


def _open_rollout(rollout_id: int, cure: str) -> Rollout:
    row = _rollout(rollout_id)
    if RolloutState(row.state) in ROLLOUT_ENDS:
        raise _not_possible(row, cure)
    return row


def _not_possible(row: Rollout, cure: str) -> NotPossible:
    return NotPossible(
        Problem(
            "not_possible",
            gettext_noop("Rollout %(rollout)d is %(state)s."),
            {"rollout": row.pk, "state": row.state},
            cure,
        )
    )
