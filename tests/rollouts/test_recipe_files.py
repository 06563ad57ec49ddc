"""Recipe files: what is read, and that every error names its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollcast.engine.problems import InputError, Problem
from rollcast.rollouts.recipe_files import (
    find_recipe,
    load_recipe,
    load_recipes,
    read_recipe,
    values_and_lines,
)

GOOD = "name: update\nsteps:\n- name: say\n  run: echo said\n"


def problems_of(text: str) -> tuple[Problem, ...]:
    """What is wrong with a recipe's text."""
    with pytest.raises(InputError) as caught:
        read_recipe(text, "recipes/update.yml")
    return caught.value.problems


def test_a_value_knows_its_line(tmp_path: Path) -> None:
    value, marks = values_and_lines("name: update\nsteps:\n- name: say\n\n  run: |\n    echo said\n")
    assert value == {"name": "update", "steps": [{"name": "say", "run": "echo said\n"}]}
    assert marks["steps[0].run"] == 5
    assert marks["steps"] == 2


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("0x10", "0x10"),
        ("010", "010"),
        ("1_000", "1_000"),
        ("'12'", "12"),
        ("12", 12),
        ("-3", -3),
        ("2.5", 2.5),
        ("1.42.0", "1.42.0"),
        ("true", True),
        ("~", None),
        ("", None),
    ],
)
def test_a_word_is_what_it_looks_like(written: str, value: object) -> None:
    assert values_and_lines(f"key: {written}\n")[0] == {"key": value}


BAD = [
    ("an unknown key", "name: a\nsteps:\n- name: b\n  run: c\n  timeuot: 5s\n", 5, "steps[0].timeuot"),
    ("a key that stands twice", "name: a\nname: b\nsteps:\n- name: b\n  run: c\n", 2, "name"),
    ("a wrong type", "name: a\nsteps:\n- name: b\n  run: c\n  timeout: soon\n", 5, "steps[0].timeout"),
    ("no YAML", "name: a\nsteps: [\n", 3, None),
    ("a tag", "name: !!python/name:os.system x\nsteps:\n- name: b\n  run: c\n", 1, "name"),
    ("an alias", "name: &n a\nsteps:\n- name: *n\n  run: c\n", 3, None),
    ("a key that is no word", "? [a]\n: b\nname: a\nsteps:\n- name: b\n  run: c\n", 1, None),
]


@pytest.mark.parametrize(("what", "text", "line", "field"), BAD, ids=[row[0] for row in BAD])
def test_an_error_names_file_line_and_field(what: str, text: str, line: int, field: str | None) -> None:
    first = problems_of(text)[0]
    assert (first.file, first.line, first.field) == ("recipes/update.yml", line, field)
    assert first.message


def test_nesting_without_end_is_refused() -> None:
    assert problems_of("a: " + "[" * 60 + "]" * 60)[0].code == "recipe_too_deep"


def test_a_text_without_end_is_refused() -> None:
    assert problems_of("# " + "x" * 600_000)[0].code == "recipe_too_long"


def test_a_file_that_is_not_utf_8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "gb.yml"
    path.write_bytes("name: a\n# 中文\n".encode("gb18030"))
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    (problem,) = caught.value.problems
    assert (problem.code, problem.line) == ("recipe_encoding", 2)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(tmp_path / "none.yml")
    assert "none.yml" in str(caught.value)


def test_a_folder_shows_wrong_files_with_their_problems(tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(GOOD)
    (tmp_path / "wrong.yaml").write_text("name: wrong\n")
    (tmp_path / "notes.txt").write_text("no recipe")
    good, wrong = load_recipes(tmp_path)
    assert good.recipe is not None
    assert (good.name, good.problems) == ("update", ())
    assert wrong.recipe is None
    assert wrong.problems


def test_an_unknown_recipe_is_guessed(tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(GOOD)
    with pytest.raises(InputError) as caught:
        find_recipe("updaet", tmp_path)
    assert "update" in str(caught.value)


def test_a_recipe_whose_file_is_wrong_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "wrong.yml").write_text("name: wrong\n")
    with pytest.raises(InputError) as caught:
        find_recipe("wrong", tmp_path)
    assert caught.value.problems[0].code != "recipe_unknown"


def test_there_may_be_no_folder_yet(tmp_path: Path) -> None:
    assert load_recipes(tmp_path / "none") == []
