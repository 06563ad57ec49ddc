"""What is said when nothing goes on."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from rollcast.rollouts import leases
from rollcast.rollouts.leases import Refused
from rollcast.rollouts.standstill import refusal, standstill
from tests.rollouts.conftest import Desk

NOW = 1000.0


@pytest.mark.django_db
def test_while_a_worker_lives_and_stores_there_is_nothing_to_say() -> None:
    leases.register("w", NOW, {})
    assert standstill(NOW) is None


@pytest.mark.django_db
def test_without_a_living_worker_it_says_since_when() -> None:
    nobody = standstill(NOW)
    assert nobody is not None
    assert (nobody.problem.code, nobody.since) == ("no_worker", None)
    leases.register("w", NOW - 100, {})
    gone = standstill(NOW)
    assert gone is not None
    assert (gone.problem.code, gone.since) == ("no_worker", NOW - 100)


def test_a_worker_that_holds_hosts_and_falls_silent_is_named_until_they_are_taken_over(desk: Desk) -> None:
    desk.hosts("eu-01")
    desk.conduct(desk.start())
    other = leases.register("other", desk.now + 9, {})
    assert standstill(desk.now) is None
    found = standstill(desk.now + 9)
    assert found is not None
    assert (found.problem.code, found.since) == ("worker_silent", desk.now)
    assert "A worker has fallen silent: desk" in found.problem.message
    later = desk.now + 100
    assert leases.beat(other, later)
    assert leases.claim_targets(other, later, 100)
    assert standstill(later) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("why", "code"),
    [
        ("database or disk is full", "disk_full"),
        ("database is locked", "database_locked"),
        ("attempt to write a readonly database", "database_refuses"),
    ],
)
def test_a_living_worker_that_is_refused_says_why_until_it_is_not(why: str, code: str) -> None:
    worker = leases.register("w", NOW, {})
    assert leases.beat(worker, NOW, Refused(NOW - 5, why))
    found = standstill(NOW)
    assert found is not None
    assert (found.problem.code, found.since) == (code, NOW - 5)
    assert code != "database_refuses" or why in found.problem.message
    assert refusal(OperationalError(why)).code == code
    assert leases.beat(worker, NOW)
    assert standstill(NOW) is None
