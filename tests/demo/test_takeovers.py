"""How a drill counts takeovers: from the blow until somebody else holds all of it, or it has ended."""

from __future__ import annotations

from typing import Any

import pytest

from rollcast.demo.takeovers import Takeovers
from rollcast.rollouts.leases import Hold


class Clock:
    """Seconds that pass when we say so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Rows:
    """What the database answers next about who holds what."""

    def __init__(self) -> None:
        self.holds: list[Hold] = []

    async def __call__(self, _function: Any, _rollout_id: int) -> list[Hold]:
        return self.holds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def takeovers(clock: Clock, rows: Rows) -> Takeovers:
    return Takeovers(1, rows, lambda _: None, clock)


async def test_it_has_happened_when_each_row_has_another_holder_or_has_ended(
    takeovers: Takeovers, clock: Clock, rows: Rows
) -> None:
    held = [Hold("rollout", 1, 7), Hold("t1", 1, 7), Hold("t2", 4, 7), Hold("t3", 1, 8)]
    takeovers.expect(7, held)
    for now, rows.holds, took in [
        (101.0, held, []),
        (
            102.0,
            [Hold("rollout", 1, None), Hold("t1", 2, 8), Hold("t2", 4, 7)],
            [],
        ),  # handed back, taken, not yet
        (103.0, [Hold("rollout", 2, 8), Hold("t1", 2, 8)], [3.0]),  # t2 has ended
        (104.0, [], [3.0]),
    ]:
        clock.now = now
        await takeovers.look()
        assert takeovers.took == took
    assert list(takeovers.remarks()) == []


async def test_one_that_held_nothing_is_not_taken_over_from(takeovers: Takeovers) -> None:
    takeovers.expect(7, [Hold("t1", 1, 8)])
    await takeovers.look()
    assert takeovers.took == []


async def test_a_second_blow_to_the_same_process_does_not_stop_the_count(
    takeovers: Takeovers, clock: Clock
) -> None:
    takeovers.expect(7, [Hold("t1", 1, 7)])
    clock.now += 8
    takeovers.expect(7, [Hold("t1", 1, 7)])
    await takeovers.look()
    assert takeovers.took == [8.0]


async def test_the_count_begins_anew_when_the_next_one_is_killed_first(
    takeovers: Takeovers, clock: Clock
) -> None:
    takeovers.expect(7, [Hold("t1", 1, 7)])
    clock.now += 8
    takeovers.expect(8, [Hold("t1", 1, 7)])
    clock.now += 2
    await takeovers.look()
    assert takeovers.took == [2.0]


async def test_the_count_goes_on_when_the_web_is_killed(takeovers: Takeovers, clock: Clock) -> None:
    takeovers.expect(7, [Hold("t1", 1, 7)])
    clock.now += 8
    takeovers.expect(9, [Hold("t1", 1, 7)], works=False)
    clock.now += 2
    await takeovers.look()
    assert takeovers.took == [10.0]


async def test_one_that_took_longer_than_promised_is_remarked_on(takeovers: Takeovers, clock: Clock) -> None:
    for seconds in (15.0, 15.5):
        takeovers.expect(7, [Hold("t1", 1, 7)])
        clock.now += seconds
        await takeovers.look()
    assert list(takeovers.remarks()) == ["a takeover took 15.5 s, and not at most 15 s"]


async def test_what_nobody_took_over_is_remarked_on(takeovers: Takeovers, clock: Clock, rows: Rows) -> None:
    rows.holds = [Hold("rollout", 1, 7), Hold("t1", 1, 7)]
    takeovers.expect(7, rows.holds)
    clock.now += 20
    await takeovers.look()
    assert list(takeovers.remarks()) == ["nobody took over rollout, t1 from process 7 in 20.0 s"]
