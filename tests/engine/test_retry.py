"""Retries: who may be retried, from where, and what is refused."""

from __future__ import annotations

import pytest

from rollcast.engine.decide import TargetView, retry_plan
from rollcast.engine.problems import InputError
from tests.engine.test_scenarios import target


def fleet(*lines: str) -> list[TargetView]:
    return [target(line, number) for number, line in enumerate(lines)]


ROLLOUT = fleet(
    "a 1 succeeded 2/1:succeeded",
    "b 1 failed 1/1:failed",
    "c 1 failed reason=unreachable",
    "d 1 skipped reason=budget_exceeded",
    "e 1 running 0/1:interrupted reason=interrupted",
    "f 1 running 0/1:running",
    "g 1 lost 0/1:running",
    "h 1 running 0/1:interrupted retried reason=interrupted",
    "i 1 running 0/1:interrupted",  # its worker has not yet said that it waits for a person
)


def test_a_retry_takes_what_failed_was_skipped_or_waits() -> None:
    plan = [(retry.target_id, str(retry.old), str(retry.new), retry.grant) for retry in retry_plan(ROLLOUT)]
    assert plan == [
        (1, "failed", "pending", True),
        (2, "failed", "pending", False),
        (3, "skipped", "pending", False),
        (4, "running", "running", True),
    ]


def test_a_retry_of_chosen_hosts_leaves_the_others() -> None:
    assert [retry.target_id for retry in retry_plan(ROLLOUT, ["e", "b"])] == [1, 4]


@pytest.mark.parametrize(
    ("chosen", "limit", "code", "says"),
    [
        (["a"], None, "retry_not_failed", "b, c, d, e"),
        (["f"], None, "retry_not_failed", "“f” cannot be retried"),
        (["g"], None, "retry_not_failed", "“g” cannot be retried"),
        (["bb"], None, "retry_unknown_host", "Did you mean b?"),
        ([], None, "retry_nothing", "No host can be retried."),
        (["d"], 1, "retry_budget", "2 hosts would stay failed, the failure budget allows 1."),
        (["b"], 0, "retry_budget", "1 hosts would stay failed"),
    ],
)
def test_a_retry_that_cannot_be_is_refused(
    chosen: list[str], limit: int | None, code: str, says: str
) -> None:
    with pytest.raises(InputError) as refused:
        retry_plan(ROLLOUT, chosen, limit)
    problem = refused.value.problems[0]
    assert (problem.code, problem.field) == (code, "targets")
    assert says in f"{problem.message} {problem.cure_text}"


def test_a_retry_within_the_budget_is_not_refused() -> None:
    assert retry_plan(ROLLOUT, ["b"], 1)
