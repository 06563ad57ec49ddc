"""Selectors, waves, failure budgets and durations: what people type at a start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcast.engine.budget import exceeded, parse_budget
from rollcast.engine.durations import format_duration, parse_duration
from rollcast.engine.problems import InputError
from rollcast.engine.selector import parse_selector
from rollcast.engine.waves import parse_waves, plan_waves

FLEET = {
    "bj-01": {"zone": "bj", "tag": "gate"},
    "bj-02": {"zone": "bj", "tag": "maint"},
    "eu-01": {"zone": "eu", "tag": "battle"},
    "eu-02": {"zone": "eu"},
    "us-01": {"zone": "us", "tag": "gate", "rack/row": "r.1"},
}
ALL = sorted(FLEET)


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", ALL),
        ("*", ALL),
        ("  * ", ALL),
        ("zone=eu", ["eu-01", "eu-02"]),
        ("zone=eu,us", ["eu-01", "eu-02", "us-01"]),
        ("zone!=eu,us", ["bj-01", "bj-02"]),
        ("tag!=maint", ["bj-01", "eu-01", "eu-02", "us-01"]),
        ("tag=gate zone=bj", ["bj-01"]),
        ("name~bj-*", ["bj-01", "bj-02"]),
        ("name!~bj-*,eu-*", ["us-01"]),
        ("name=eu-01", ["eu-01"]),
        ("eu-01,us-01", ["eu-01", "us-01"]),
        ("*-01", ["bj-01", "eu-01", "us-01"]),
        ("tag~?a*", ["bj-01", "bj-02", "eu-01", "us-01"]),
        ("rack/row=r.1", ["us-01"]),
        ("zone=EU", []),
        ("zone=eu zone=us", []),
    ],
)
def test_a_selector_selects(text: str, selected: list[str]) -> None:
    selector = parse_selector(text)
    assert [name for name in ALL if selector.matches(name, FLEET[name])] == selected


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("=eu", "selector_key", 1),
        ("zone = eu", "selector_key", 6),
        ("tag=a zone=", "selector_value", 7),
        ("zone=eu,", "selector_value", 1),
        ("zone=eu, us", "selector_value", 1),
        ("zone==eu", "selector_value", 1),
        ("a=b  zöne=eu", "selector_key", 6),
        ('zone="eu"', "selector_value", 1),
        ("a=b!c", "selector_value", 1),
        ("a" * 2001, "selector_too_long", None),
    ],
)
def test_a_wrong_selector_is_refused_at_its_column(text: str, code: str, column: int | None) -> None:
    with pytest.raises(InputError) as refused:
        parse_selector(text)
    problem = refused.value.problems[0]
    assert (problem.code, problem.field, problem.params.get("column")) == (code, "selector", column)
    assert problem.cure_text


def test_every_wrong_term_of_a_selector_is_told() -> None:
    with pytest.raises(InputError) as refused:
        parse_selector("=a zone=eu b=")
    assert [problem.params["term"] for problem in refused.value.problems] == ["=a", "b="]


@pytest.mark.parametrize(
    ("text", "n_hosts", "sizes"),
    [
        ("1, 25%, rest", 24, [1, 6, 17]),
        ("rest", 3, [3]),
        ("1,+1,+2,rest", 6, [1, 1, 2, 2]),
        ("1, 25%, rest", 1, [1]),
        ("10%,10%,rest", 24, [3, 3, 18]),
        ("100%", 5, [5]),
        ("50%, 50%", 5, [3, 2]),
        ("5", 5, [5]),
        ("3, 3", 4, [3, 1]),
        ("1%, rest", 250, [3, 247]),
    ],
)
def test_waves_are_cut_in_name_order(text: str, n_hosts: int, sizes: list[int]) -> None:
    names = [f"h{i:03}" for i in range(n_hosts)]
    waves = plan_waves(text, list(reversed(names)))
    assert [len(wave) for wave in waves] == sizes
    assert [name for wave in waves for name in wave] == names


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "waves_shape"),
        ("all", "waves_shape"),
        ("1; rest", "waves_shape"),
        ("1,,rest", "waves_shape"),
        ("-1, rest", "waves_shape"),
        ("1.5, rest", "waves_shape"),
        ("0, rest", "waves_size"),
        ("101%", "waves_size"),
        ("rest, 1", "waves_rest_not_last"),
        (",".join(["1"] * 101), "waves_too_many"),
        ("1, 25%", "waves_leftover"),
    ],
)
def test_wrong_waves_are_refused(text: str, code: str) -> None:
    with pytest.raises(InputError) as refused:
        plan_waves(text, ["a", "b", "c", "d"])
    problem = refused.value.problems[0]
    assert (problem.code, problem.field) == (code, "waves")
    assert problem.message
    assert problem.cure_text


@given(
    st.lists(st.from_regex(r"[1-9][0-9]?%?", fullmatch=True), max_size=5),
    st.lists(st.text("abc", min_size=1), unique=True),
)
def test_every_host_is_in_exactly_one_wave(parts: list[str], names: list[str]) -> None:
    waves = parse_waves(", ".join([*parts, "rest"])).split(names)
    assert [name for wave in waves for name in wave] == sorted(names)
    assert all(waves)


@pytest.mark.parametrize(
    ("text", "n_hosts", "limit"),
    [
        ("2", 24, 2),
        ("0", 24, 0),
        ("5%", 24, 2),
        ("1%", 24, 1),
        ("0%", 24, 0),
        ("100%", 7, 7),
        (" 10 % ", 30, 3),
    ],
)
def test_a_budget_allows_a_number_of_failures_rounded_up(text: str, n_hosts: int, limit: int) -> None:
    assert parse_budget(text).limit(n_hosts) == limit
    assert not exceeded(limit, limit)
    assert exceeded(limit + 1, limit)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "budget_shape"),
        ("few", "budget_shape"),
        ("-1", "budget_shape"),
        ("1.5%", "budget_shape"),
        ("101%", "budget_percent"),
    ],
)
def test_a_wrong_budget_is_refused(text: str, code: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_budget(text)
    problem = refused.value.problems[0]
    assert (problem.code, problem.field) == (code, "failure_budget")
    assert problem.cure_text


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h0m1.5s", 3601.5),
        ("90", 90),
        (90, 90),
        (0.5, 0.5),
        ("", None),
        ("s", None),
        ("5 m", None),
        ("m5", None),
        ("30s5m", None),
        ("-5s", None),
        (-5, None),
        (True, None),
        (None, None),
        (float("nan"), None),
        (float("inf"), None),
        ("٣s", None),
    ],
)
def test_durations_are_read_as_people_write_them(value: object, seconds: float | None) -> None:
    assert parse_duration(value) == seconds


@given(st.integers(min_value=0, max_value=10**6))
def test_a_duration_s_shortest_spelling_means_the_same(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds
