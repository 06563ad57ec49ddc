"""What an acceptance does: a named person takes it on themselves that a cancelled step was not seen to stop.

It is for a host that does not answer any more, or that refused our signals: without it such a target stays
`cancelling` for ever, and its rollout with it. Nothing else is accepted: what is merely slow is waited for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rollcast.engine.problems import InputError, Problem, gettext_noop, listed, nearest
from rollcast.engine.snapshot import TargetView
from rollcast.engine.states import StopEvidence, TargetState

# Characters of a reason: two lines on a page.
REASON_LENGTH = 300


def may_be_accepted(target: TargetView) -> bool:
    """Whether it is being cancelled and its host could not be made to confirm that the step has stopped."""
    latest = target.latest
    return (
        target.state is TargetState.CANCELLING
        and target.busy
        and latest is not None
        and latest.stop_evidence is StopEvidence.UNCONFIRMED
    )


def accept_plan(targets: Sequence[TargetView], chosen: Collection[str], reason: str) -> list[TargetView]:
    """The targets to accept: those of the `chosen` host names.

    InputError: no or too long a reason, no host, an unknown one, or one that is not unconfirmed.
    """
    possible = {target.name: target for target in targets if may_be_accepted(target)}
    known = [target.name for target in targets]
    problems = [_not_possible(name, known, list(possible)) for name in chosen if name not in possible]
    if not chosen:
        template = gettext_noop("No host is named.")
        cure = gettext_noop("These can be accepted: %(possible)s.")
        problems.append(
            Problem("accept_nothing", template, {"possible": listed(possible) or "–"}, cure, field="targets")
        )
    problems += _reason_problems(reason)
    if problems:
        raise InputError(problems)
    return [target for name, target in possible.items() if name in chosen]


def _reason_problems(reason: str) -> list[Problem]:
    if not reason.strip():
        template = gettext_noop("A reason is required.")
        cure = gettext_noop("Write why it is safe to go on, for whoever reads this later.")
        return [Problem("accept_reason", template, {}, cure, field="reason")]
    if len(reason) > REASON_LENGTH:
        template = gettext_noop("The reason has %(n)d characters; %(limit)d are possible.")
        params = {"n": len(reason), "limit": REASON_LENGTH}
        return [Problem("accept_reason", template, params, gettext_noop("Shorten it."), field="reason")]
    return []


def _not_possible(name: str, known: Sequence[str], possible: Sequence[str]) -> Problem:
    params = {"name": name, "meant": nearest(name, known) or "–", "possible": listed(possible) or "–"}
    if name not in known:
        template = gettext_noop("The rollout has no host “%(name)s”.")
        return Problem(
            "accept_unknown_host", template, params, gettext_noop("Did you mean %(meant)s?"), field="targets"
        )
    template = gettext_noop("“%(name)s” cannot be accepted: its cancel is not unconfirmed.")
    cure = gettext_noop("These can be accepted: %(possible)s.")
    return Problem("accept_not_unconfirmed", template, params, cure, field="targets")
