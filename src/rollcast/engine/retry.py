"""What a retry does: failed hosts go on from the failed step, with its next attempt, in the same rollout."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rollcast.engine.budget import exceeded
from rollcast.engine.problems import InputError, Problem, gettext_noop, listed, nearest
from rollcast.engine.snapshot import TargetView
from rollcast.engine.states import BUDGET_EXCEEDED, INTERRUPTED, StepState, TargetState


@dataclass(frozen=True)
class RetryTarget:
    """Move a target from `old` to `new`, reason empty; `grant`: set `retried` on its latest step run."""

    target_id: int
    old: TargetState
    new: TargetState
    grant: bool


def may_be_retried(target: TargetView) -> bool:
    """Failed, skipped for the budget, or waiting for a person after an interruption."""
    match target.state:
        case TargetState.FAILED:
            return True
        case TargetState.SKIPPED:
            return target.reason == BUDGET_EXCEEDED
        case TargetState.RUNNING:
            latest = target.latest
            return (
                target.reason == INTERRUPTED
                and latest is not None
                and latest.state is StepState.INTERRUPTED
                and not latest.retried
            )
        case _:
            return False


def retry_plan(
    targets: Sequence[TargetView],
    chosen: Collection[str] | None = None,
    failure_limit: int | None = None,
) -> list[RetryTarget]:
    """What to change to retry `chosen` hosts (names), or all that can be retried.

    InputError: nothing can be retried; a chosen host cannot be; or, with `failure_limit`, so many hosts would
    stay failed that the budget stayed exceeded and the retried ones were skipped again at once.
    """
    possible = {target.name: target for target in targets if may_be_retried(target)}
    if chosen is not None:
        known = [target.name for target in targets]
        problems = [_not_possible(name, known, list(possible)) for name in chosen if name not in possible]
        if problems:
            raise InputError(problems)
        possible = {name: target for name, target in possible.items() if name in chosen}
    if not possible:
        raise InputError(
            Problem(
                "retry_nothing",
                gettext_noop("No host can be retried."),
                {},
                gettext_noop("Only failed, skipped and interrupted hosts can."),
                field="targets",
            )
        )
    left = sum(target.state is TargetState.FAILED and target.name not in possible for target in targets)
    if failure_limit is not None and exceeded(left, failure_limit):
        raise InputError(
            Problem(
                "retry_budget",
                gettext_noop("%(left)d hosts would stay failed, the failure budget allows %(limit)d."),
                {"left": left, "limit": failure_limit},
                gettext_noop("Retry more of them together: above the budget nothing is started."),
                field="targets",
            )
        )
    return [_plan(target) for target in possible.values()]


def _plan(target: TargetView) -> RetryTarget:
    new = TargetState.RUNNING if target.state is TargetState.RUNNING else TargetState.PENDING
    latest = target.latest
    grant = latest is not None and latest.state in {StepState.FAILED, StepState.INTERRUPTED}
    return RetryTarget(target.id, target.state, new, grant)


def _not_possible(name: str, known: Sequence[str], possible: Sequence[str]) -> Problem:
    params = {"name": name, "meant": nearest(name, known) or "–", "possible": listed(possible) or "–"}
    if name not in known:
        template = gettext_noop("The rollout has no host “%(name)s”.")
        return Problem(
            "retry_unknown_host", template, params, gettext_noop("Did you mean %(meant)s?"), field="targets"
        )
    template = gettext_noop("“%(name)s” cannot be retried: it has not failed.")
    cure = gettext_noop("These can be: %(possible)s.")
    return Problem("retry_not_failed", template, params, cure, field="targets")
