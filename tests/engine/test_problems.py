"""How a problem is told: where, what, and the cure, also in another language."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from rollcast import engine
from rollcast.engine.problems import InputError, Problem, gettext_noop, nearest

PROBLEM = Problem(
    "unknown_key",
    "The key “%(key)s” is unknown.",
    {"key": "nmae", "meant": "name"},
    "Did you mean %(meant)s?",
    file="recipes/x.yml",
    line=3,
    field="nmae",
)


def test_a_problem_says_where_what_and_the_cure() -> None:
    assert str(PROBLEM) == "recipes/x.yml, line 3, nmae: The key “nmae” is unknown. Did you mean name?"
    assert str(Problem("x", "100%% wrong.")) == "100% wrong."
    assert PROBLEM.at(line=9).where == "recipes/x.yml, line 9, nmae"


def test_a_problem_can_be_told_in_another_language() -> None:
    chinese = {PROBLEM.template: "未知的键“%(key)s”。"}
    assert chinese[PROBLEM.template] % PROBLEM.params == "未知的键“nmae”。"


def test_an_error_tells_all_of_its_problems() -> None:
    error = InputError([PROBLEM, PROBLEM.at(line=4)])
    assert str(error).splitlines() == [str(PROBLEM), str(PROBLEM.at(line=4))]
    assert InputError(PROBLEM).problems == (PROBLEM,)


def test_the_nearest_word_is_found_or_none() -> None:
    assert nearest("Nmae", ["name", "title"]) == "name"
    assert nearest("zzz", ["name", "title"]) is None


def test_every_marked_text_is_one_literal_whose_placeholders_are_whole() -> None:
    for path in Path(engine.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == gettext_noop.__name__:
                (argument,) = node.args
                assert isinstance(argument, ast.Constant), f"{path.name}:{node.lineno}"
                assert isinstance(argument.value, str), f"{path.name}:{node.lineno}"
                left = re.sub(r"%%|%\([a-z]+\)[sdg]", "", argument.value)
                assert "%" not in left, f"{path.name}:{node.lineno}: {argument.value}"
