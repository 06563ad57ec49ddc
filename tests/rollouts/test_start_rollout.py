"""start_rollout and preview_rollout."""

from __future__ import annotations

from typing import Any

import pytest

import livefeed
from rollcast.access.models import AuditEntry
from rollcast.engine.problems import InputError
from rollcast.rollouts import actions, keys, queries
from rollcast.rollouts.actions import NotPossible, StartRequest
from tests.rollouts.conftest import Desk

PARAMETERS = (
    "name: update\nparameters:\n  version: {type: string, required: true, pattern: '[0-9.]+'}\n"
    "defaults: {selector: zone=eu, waves: '1, rest', parallel: 3, failure_budget: 50%}\n"
    "steps:\n- name: bring\n  upload: {file: 'game-{version}.bin', to: 'game.bin'}\n"
)


def test_it_answers_at_once_with_rows_event_and_audit(desk: Desk, feed_of: Any) -> None:
    desk.hosts("eu-02", "eu-01", "us-01")
    rollout = desk.start(waves="1, rest", parallel=2, failure_budget="34%")
    page = desk.page(rollout)
    assert page["rollout"]["state"] == "pending"
    assert page["rollout"]["failure_limit"] == 2
    assert [(target["name"], target["wave"]) for target in page["targets"]] == [
        ("eu-01", 0),
        ("eu-02", 1),
        ("us-01", 1),
    ]
    assert page["waves"] == [{"no": 0, "n": 1}, {"no": 1, "n": 2}]
    assert [step["name"] for step in page["steps"]] == ["one", "two"]
    assert feed_of(rollout) == [("rollout.started", {"by": "user:olga", "recipe": "update", "hosts": 3})]
    entry = AuditEntry.objects.get(verb="rollout.started")
    assert (entry.actor, entry.subject) == ("user:olga", f"rollout/{rollout}")


def test_the_recipes_defaults_fill_what_was_not_asked_for(desk: Desk) -> None:
    desk.recipe(PARAMETERS)
    (desk.folder / "files" / "game-1.2.bin").write_bytes(b"build")
    desk.hosts("eu-01", "eu-02", "us-01")
    preview = actions.preview_rollout(StartRequest("update", {"version": "1.2"}))
    assert preview.waves == [["eu-01"], ["eu-02"]]
    assert (preview.parallel, preview.failure_limit) == (3, 1)
    assert [(file.name, file.size) for file in preview.files] == [("game-1.2.bin", 5)]


def test_a_preview_writes_nothing(desk: Desk) -> None:
    desk.hosts("eu-01")
    actions.preview_rollout(StartRequest("update"))
    assert queries.rollout_list()["total"] == 0


def test_the_same_key_again_is_the_same_rollout(desk: Desk) -> None:
    desk.hosts("eu-01")
    first = desk.start(idempotency_key="twice")
    (desk.folder / "recipes" / "update.yml").unlink()
    assert desk.start(idempotency_key="twice") == first
    assert queries.rollout_list()["total"] == 1


OTHERWISE: list[dict[str, Any]] = [
    {"recipe": "other"},
    {"params": {"version": "1.3"}},
    {"selector": "zone=eu"},
    {"waves": "1, rest"},
    {"parallel": 1},
    {"failure_budget": "1"},
]


@pytest.mark.parametrize("otherwise", OTHERWISE, ids=[next(iter(row)) for row in OTHERWISE])
def test_the_same_key_for_another_start_is_refused(desk: Desk, otherwise: dict[str, Any]) -> None:
    desk.recipe("name: update\nparameters:\n  version: {type: string}\nsteps:\n- name: say\n  run: echo\n")
    desk.hosts("eu-01")
    asked = {"idempotency_key": "twice", "params": {"version": "1.2"}, "selector": "*"}
    first = desk.start(**asked)
    with pytest.raises(NotPossible) as caught:
        desk.start(**asked | otherwise)
    (problem,) = caught.value.problems
    assert (problem.code, problem.field) == ("key_used", "idempotency_key")
    assert problem.message == f"Rollout {first} was started with this key, but with other settings."
    assert queries.rollout_list()["total"] == 1
    assert desk.start(**asked) == first


def test_two_rollouts_of_the_same_text_share_its_revision(desk: Desk) -> None:
    desk.hosts("eu-01")
    first, second = desk.start(), desk.start()
    assert first != second


BAD: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("an unknown recipe", {"recipe": "updaet"}, "recipe_unknown", "recipe"),
    ("a selector with a syntax error", {"selector": "zone=="}, "selector_value", "selector"),
    ("an empty selection", {"selector": "zone=moon"}, "selection_empty", "selector"),
    ("waves that leave hosts over", {"waves": "1"}, "waves_leftover", "waves"),
    ("a budget that is none", {"failure_budget": "few"}, "budget_shape", "failure_budget"),
    ("too many at a time", {"parallel": 100_000}, "parallel_range", "parallel"),
    ("none at a time", {"parallel": -1}, "parallel_range", "parallel"),
    ("a parameter that is not there", {"params": {"colour": "red"}}, "parameter_unknown", None),
    ("a key that does not fit", {"idempotency_key": "k" * 201}, "key_too_long", "idempotency_key"),
]


@pytest.mark.parametrize(("what", "asked", "code", "field"), BAD, ids=[row[0] for row in BAD])
def test_bad_input_is_refused_and_leaves_nothing(
    desk: Desk, what: str, asked: dict[str, Any], code: str, field: str | None
) -> None:
    desk.hosts("eu-01", "us-01")
    with pytest.raises(InputError) as caught:
        desk.start(**asked)
    (problem,) = caught.value.problems
    assert problem.code == code
    assert field is None or problem.field == field
    assert problem.cure_text
    assert queries.rollout_list()["total"] == 0
    assert not AuditEntry.objects.exists()


def test_all_problems_are_named_at_once(desk: Desk) -> None:
    desk.hosts("eu-01")
    with pytest.raises(InputError) as caught:
        desk.start(failure_budget="few", parallel=0, waves="none", selector="*")
    assert {problem.field for problem in caught.value.problems} >= {"failure_budget", "waves"}


def test_a_missing_file_is_named_with_its_folder(desk: Desk) -> None:
    desk.recipe(PARAMETERS)
    desk.hosts("eu-01")
    with pytest.raises(InputError) as caught:
        desk.start(params={"version": "9.9"}, waves="rest")
    (problem,) = caught.value.problems
    assert problem.code == "file_missing"
    assert "game-9.9.bin" in problem.message
    assert str(desk.folder / "files") in problem.cure_text


def test_the_feed_belongs_to_the_rollout_and_is_open(desk: Desk) -> None:
    desk.hosts("eu-01")
    rollout = desk.start()
    assert not livefeed.head(keys.feed_key(rollout)).closed
