"""Acceptances: which cancels may be accepted as unconfirmed, and what is refused."""

from __future__ import annotations

import pytest

from rollcast.engine.accept import REASON_LENGTH, accept_plan
from rollcast.engine.problems import InputError
from rollcast.engine.snapshot import StepRunView, TargetView
from rollcast.engine.states import StepState, StopEvidence, TargetState


def target(
    name: str, state: str, step: str, evidence: StopEvidence | None = StopEvidence.UNCONFIRMED
) -> TargetView:
    latest = StepRunView(0, 1, StepState(step), stop_evidence=evidence)
    return TargetView(ord(name), name, 1, TargetState(state), latest=latest)


ROLLOUT = [
    target("a", "cancelling", "running"),
    target("b", "cancelling", "starting"),
    target("c", "cancelling", "running", None),  # nobody has been there yet
    target("d", "cancelling", "running", StopEvidence.STOPPED),  # its last output is still read
    target("e", "cancelling", "cancelled"),
    target("f", "cancelled", "cancelled"),
    target("g", "lost", "running"),
    TargetView(ord("h"), "h", 1, TargetState.CANCELLING),
]


def test_what_no_host_has_confirmed_may_be_accepted() -> None:
    assert [view.name for view in accept_plan(ROLLOUT, ["b", "a"], "scrapped")] == ["a", "b"]
    assert [view.name for view in accept_plan(ROLLOUT, ["b"], "x" * REASON_LENGTH)] == ["b"]


@pytest.mark.parametrize(
    ("chosen", "reason", "code", "field", "says"),
    [
        *[([name], "why", "accept_not_unconfirmed", "targets", "a, b") for name in "cdefgh"],
        (["a", "bb"], "why", "accept_unknown_host", "targets", "Did you mean b?"),
        ([], "why", "accept_nothing", "targets", "These can be accepted: a, b."),
        (["a"], " ", "accept_reason", "reason", "A reason is required."),
        (["a"], "x" * (REASON_LENGTH + 1), "accept_reason", "reason", "301 characters; 300 are possible"),
    ],
)
def test_an_acceptance_that_cannot_be_is_refused(
    chosen: list[str], reason: str, code: str, field: str, says: str
) -> None:
    with pytest.raises(InputError) as refused:
        accept_plan(ROLLOUT, chosen, reason)
    (problem,) = refused.value.problems
    assert (problem.code, problem.field) == (code, field)
    assert says in f"{problem.message} {problem.cure_text}"
