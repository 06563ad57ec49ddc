"""Recipes: every refusal names file, line, field and a cure; what is accepted means what it says."""

from __future__ import annotations

import pytest

from rollcast.engine.problems import InputError
from rollcast.engine.recipe import (
    Rerun,
    recipe_from_mapping,
)
from tests.engine.reading import read

STEP = "steps:\n  - name: go\n    run: 'true'\n"

# recipe text, code, line, field, something that the message or cure must say
REFUSED = [
    ("just text", "wrong_type", 1, None, "key: value pairs"),
    ("name: x\n", "missing_key", 1, "steps", "“steps” is missing"),
    (f"nmae: x\n{STEP}", "unknown_key", 1, "nmae", "Did you mean name?"),
    (f"title: x\n{STEP}", "missing_key", 1, "name", "“name” is missing"),
    (f"name: Game Server\n{STEP}", "recipe_name", 1, "name", "lower-case"),
    (f"name: 7\n{STEP}", "wrong_type", 1, "name", "This is a number."),
    (f"name: x\ntitle: [a]\n{STEP}", "wrong_type", 2, "title", "This is a list."),
    (f"name: x\ntitle:\n{STEP}", "empty", 2, "title", "Nothing stands here."),
    ("name: x\nsteps: []\n", "wrong_type", 2, "steps", "at least one item"),
    ("name: x\nsteps: go\n", "wrong_type", 2, "steps", "at least one item"),
    ("name: x\nsteps:\n  - go\n", "wrong_type", 3, "steps[0]", "key: value pairs"),
    ("name: x\nsteps:\n  - name: a\n", "step_kind", 3, "steps[0]", "exactly one thing"),
    ("name: x\nsteps:\n  - name: a\n    run: x\n    wait: 3\n", "step_kind", 3, "steps[0]", "run, wait"),
    ("name: x\nsteps:\n  - run: x\n", "missing_key", 3, "steps[0].name", "“name” is missing"),
    ("name: x\nsteps:\n  - name: a\n    run:\n", "empty", 4, "steps[0].run", "Nothing stands here."),
    ("name: x\nsteps:\n  - name: a\n    run: ''\n", "empty", 4, "steps[0].run", "Nothing stands here."),
    (
        "name: x\nsteps:\n  - name: a\n    rum: x\n    run: x\n",
        "unknown_key",
        4,
        "steps[0].rum",
        "Did you mean run?",
    ),
    (
        f"name: x\nsteps:\n  - name: {'a' * 81}\n    run: x\n",
        "name_shape",
        3,
        "steps[0].name",
        "81 characters",
    ),
    ('name: x\nsteps:\n  - name: "a\\nb"\n    run: x\n', "name_shape", 3, "steps[0].name", "line break"),
    (f"name: x\n{STEP}  - name: go\n    run: x\n", "step_name_twice", 5, "steps[1].name", "named “go”"),
    (f"name: x\n{STEP}    timeout: soon\n", "duration", 5, "steps[0].timeout", "30s, 5m or 1h30m"),
    (f"name: x\n{STEP}    timeout: 0\n", "duration", 5, "steps[0].timeout", "no duration that fits"),
    (f"name: x\n{STEP}    timeout: 8000000s\n", "duration", 5, "steps[0].timeout", "at most a week"),
    (f"name: x\n{STEP}    rerun: maybe\n", "unknown_word", 5, "steps[0].rerun", "always, never, ask"),
    (f"name: x\n{STEP}    buffering: none\n", "unknown_word", 5, "steps[0].buffering", "line, as-is"),
    (
        "name: x\nsteps:\n  - name: a\n    wait: 3s\n    rerun: ask\n",
        "key_of_other_kind",
        5,
        "steps[0].rerun",
        "wait",
    ),
    ("name: x\nsteps:\n  - name: a\n    wait: x\n", "duration", 4, "steps[0].wait", "“x”"),
    ("name: x\nsteps:\n  - name: a\n    check: x\n", "wrong_type", 4, "steps[0].check", "key: value pairs"),
    (
        "name: x\nsteps:\n  - name: a\n    check:\n      every: 2s\n",
        "missing_key",
        4,
        "steps[0].check.command",
        "“command”",
    ),
    (
        "name: x\nsteps:\n  - name: a\n    check: {command: x, every: 0.01}\n",
        "duration",
        4,
        "steps[0].check.every",
        "at least 0.1 seconds",
    ),
    (
        "name: x\nsteps:\n  - name: a\n    check: {command: x, on_deadline: continue}\n",
        "unknown_word",
        4,
        "steps[0].check.on_deadline",
        "fail, go_on",
    ),
    (
        "name: x\nsteps:\n  - name: a\n    upload: {file: a}\n",
        "missing_key",
        4,
        "steps[0].upload.to",
        "“to” is missing",
    ),
    (
        "name: x\nsteps:\n  - name: a\n    upload: {file: /etc/passwd, to: b}\n",
        "upload_path",
        4,
        "steps[0].upload.file",
        "absolute path",
    ),
    (
        "name: x\nsteps:\n  - name: a\n    upload: {file: a/../../b, to: b}\n",
        "upload_path",
        4,
        "steps[0].upload.file",
        "leads out of its folder",
    ),
    (
        "name: x\nsteps:\n  - name: a\n    upload: {file: a, to: ~/b}\n",
        "upload_path",
        4,
        "steps[0].upload.to",
        "begins with ~",
    ),
    (
        "name: x\nsteps:\n  - name: a\n    upload: {file: a, to: b, mode: 0644}\n",
        None,
        None,
        None,
        "",
    ),
    (
        "name: x\nsteps:\n  - name: a\n    upload: {file: a, to: b, mode: 644}\n",
        "upload_mode",
        4,
        "steps[0].upload.mode",
        "in quotes",
    ),
    (
        "name: x\nsteps:\n  - name: a\n    upload: {file: 'a-{vresion}', to: b}\n",
        "unknown_place",
        4,
        "steps[0].upload.file",
        "{vresion} is no parameter",
    ),
    (f"name: x\nparameters: [a]\n{STEP}", "wrong_type", 2, "parameters", "key: value pairs"),
    (
        f"name: x\nparameters:\n  Version: {{}}\n{STEP}",
        "parameter_name",
        3,
        "parameters.Version",
        "lower-case letter",
    ),
    (f"name: x\nparameters:\n  path: {{}}\n{STEP}", "parameter_reserved", 3, "parameters.path", "PATH"),
    (
        f"name: x\nparameters:\n  ld_preload:\n{STEP}",
        "parameter_reserved",
        3,
        "parameters.ld_preload",
        "LD_PRELOAD",
    ),
    (
        f"name: x\nparameters:\n  v: {{typ: string}}\n{STEP}",
        "unknown_key",
        3,
        "parameters.v.typ",
        "Did you mean type?",
    ),
    (
        f"name: x\nparameters:\n  v: {{type: text}}\n{STEP}",
        "unknown_word",
        3,
        "parameters.v.type",
        "string, integer",
    ),
    (
        f"name: x\nparameters:\n  v: {{required: 'yes'}}\n{STEP}",
        "wrong_type",
        3,
        "parameters.v.required",
        "true or false",
    ),
    (
        f"name: x\nparameters:\n  v: {{required: true, default: a}}\n{STEP}",
        "default_of_required",
        3,
        "parameters.v.default",
        "Remove one",
    ),
    (
        f"name: x\nparameters:\n  v: {{pattern: '['}}\n{STEP}",
        "pattern_shape",
        3,
        "parameters.v.pattern",
        "regular expression",
    ),
    (
        f"name: x\nparameters:\n  v: {{type: integer, pattern: a}}\n{STEP}",
        "pattern_of_other_type",
        3,
        "parameters.v.pattern",
        "of type integer",
    ),
    (
        f"name: x\nparameters:\n  v: {{type: choice}}\n{STEP}",
        "empty",
        3,
        "parameters.v.choices",
        "a list of texts",
    ),
    (
        f"name: x\nparameters:\n  v: {{choices: [a]}}\n{STEP}",
        "choices_of_other_type",
        3,
        "parameters.v.choices",
        "Make the type choice",
    ),
    (
        f"name: x\nparameters:\n  v: {{default: 1.10}}\n{STEP}",
        "parameter_type",
        3,
        "parameters.v.default",
        "in quotes",
    ),
    (
        f"name: x\nparameters:\n  v: {{default: b, pattern: a}}\n{STEP}",
        "parameter_pattern",
        3,
        "parameters.v.default",
        "does not fit",
    ),
    (f"name: x\ndefaults: 5\n{STEP}", "wrong_type", 2, "defaults", "key: value pairs"),
    (f"name: x\ndefaults:\n  wave: 1\n{STEP}", "unknown_key", 3, "defaults.wave", "Did you mean waves?"),
    (f"name: x\ndefaults:\n  waves: 1 then all\n{STEP}", "waves_shape", 3, "defaults.waves", "1, 25%, rest"),
    (f"name: x\ndefaults:\n  selector: =eu\n{STEP}", "selector_key", 3, "defaults.selector", "column 1"),
    (
        f"name: x\ndefaults:\n  failure_budget: few\n{STEP}",
        "budget_shape",
        3,
        "defaults.failure_budget",
        "5%",
    ),
    (f"name: x\ndefaults:\n  parallel: 0\n{STEP}", "wrong_type", 3, "defaults.parallel", "from 1"),
    (f"name: x\ndefaults:\n  waves: [1]\n{STEP}", "wrong_type", 3, "defaults.waves", "whole number"),
]


@pytest.mark.parametrize(("text", "code", "line", "field", "says"), REFUSED)
def test_a_wrong_recipe_is_refused_with_file_line_field_and_cure(
    text: str, code: str | None, line: int | None, field: str | None, says: str
) -> None:
    if code is None:  # 0644 without quotes is text in YAML 1.2, so it is accepted
        assert read(text).steps[0].mode == 0o644
        return
    with pytest.raises(InputError) as refused:
        read(text)
    problem = refused.value.problems[0]
    assert (problem.code, problem.file, problem.line, problem.field) == (code, "recipes/x.yml", line, field)
    assert says in f"{problem.message} {problem.cure_text}"
    assert problem.cure_text
    assert str(problem).startswith(f"recipes/x.yml, line {line}")


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    with pytest.raises(InputError) as refused:
        read(
            "title: 3\nsteps:\n  - name: a\n    run: x\n    timeout: x\n"
            "  - name: b\n    rerun: x\n    run: x\n"
        )
    assert [(p.line, p.field) for p in refused.value.problems] == [
        (1, "name"),
        (1, "title"),
        (5, "steps[0].timeout"),
        (7, "steps[1].rerun"),
    ]
    assert len(str(refused.value).splitlines()) == 4


def test_a_recipe_from_json_without_lines_still_names_the_field() -> None:
    with pytest.raises(InputError) as refused:
        recipe_from_mapping({"name": "x", "steps": [{"name": "a", "wait": "x"}]}, {}, None)
    assert str(refused.value).startswith("steps[0].wait: “x” is no duration")


def test_what_a_step_does_not_say_has_the_documented_default() -> None:
    recipe = read(
        """
        name: x
        steps:
          - {name: run, run: "true"}
          - {name: check, check: {command: "true"}}
          - {name: upload, upload: {file: a, to: b}}
          - {name: wait, wait: 1m30s}
        """
    )
    run, check, upload, wait = recipe.steps
    assert (run.timeout_s, run.rerun, run.buffering) == (600, Rerun.ASK, "line")
    assert (check.every_s, check.deadline_s, check.on_deadline, check.timeout_s) == (2, 300, "fail", 360)
    assert (upload.timeout_s, upload.mode, upload.rerun) == (3600, 0o644, Rerun.ALWAYS)
    assert (wait.seconds, wait.timeout_s, wait.rerun) == (90, 90, Rerun.ALWAYS)
    assert (recipe.title, recipe.defaults.waves, recipe.parameters) == ("x", None, ())
