"""The plan of a drill: the same for the same seed, never five seconds of peace, and every kind of fault."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rollcast.demo.drill_plan import KINDS, KINDS_OF, Style, fault_plan, style_of

STYLES: tuple[Style, ...] = ("apart", "together")
SEEDS = range(200)
QUIET_S = 5.0


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("seconds", [5.0, 15.0, 60.0])
def test_no_five_seconds_pass_without_a_fault(style: Style, seconds: float) -> None:
    for seed in SEEDS:
        moments = [0.0, *(fault.at_s for fault in fault_plan(seed, seconds, style)), seconds]
        assert moments == sorted(moments)
        assert max(late - early for early, late in pairwise(moments)) < QUIET_S


def test_a_plan_is_the_seeds_own() -> None:
    plans = {fault_plan(seed, 15, style_of(seed)) for seed in SEEDS}
    assert len(plans) == len(SEEDS)
    assert plans == {fault_plan(seed, 15, style_of(seed)) for seed in SEEDS}


def test_a_longer_drill_begins_like_a_shorter_one() -> None:
    short, long = fault_plan(7, 15, "apart"), fault_plan(7, 60, "apart")
    assert long[: len(short)] == short


@pytest.mark.parametrize("style", STYLES)
def test_a_plan_has_the_faults_of_its_style_and_in_a_minute_each_of_them(style: Style) -> None:
    for seed in SEEDS:
        assert {fault.kind for fault in fault_plan(seed, 60, style)} == set(KINDS_OF[style])


def test_seeds_bring_every_kind() -> None:
    seen = {fault.kind for seed in SEEDS for fault in fault_plan(seed, 15, style_of(seed))}
    assert seen == set(KINDS)


def test_what_a_fault_picks_is_one_of_what_there_is() -> None:
    faults = [fault for seed in SEEDS for fault in fault_plan(seed, 60, "apart")]
    assert all(0 <= fault.pick < 1 and fault.lasts_s > 0 for fault in faults)
