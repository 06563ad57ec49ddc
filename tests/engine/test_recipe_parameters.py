"""Parameters: what a start may give, and how it reaches the host."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcast.engine.problems import InputError
from rollcast.engine.recipe import bind_parameters, environment, upload_names
from tests.engine.reading import read

PARAMETERS = read(
    """
    name: x
    parameters:
      version: {required: true, pattern: '[0-9.]+'}
      note: {}
      count: {type: integer, default: 3}
      force: {type: boolean}
      ring: {type: choice, choices: [gold, iron], default: iron}
    steps:
      - {name: a, upload: {file: "b-{version}.tgz", to: "c/{version}"}}
    """
)
# given parameters, code, field, something that the message or cure must say
REFUSED_PARAMETERS = [
    ({}, "parameter_required", "parameters.version", "required"),
    ({"version": ""}, "parameter_required", "parameters.version", "required"),
    ({"version": "1", "vresion": "2"}, "parameter_unknown", "parameters.vresion", "version, note"),
    ({"version": 1.1}, "parameter_type", "parameters.version", "in quotes"),
    ({"version": "1 or 2"}, "parameter_pattern", "parameters.version", "[0-9.]+"),
    ({"version": "1\n"}, "parameter_pattern", "parameters.version", "[0-9.]+"),
    ({"version": "1", "note": "a\0b"}, "parameter_type", "parameters.note", "NUL"),
    ({"version": "1", "note": "a" * 4097}, "parameter_type", "parameters.note", "4096"),
    ({"version": "1", "count": "many"}, "parameter_type", "parameters.count", "a whole number"),
    ({"version": "1", "count": 1.0}, "parameter_type", "parameters.count", "a whole number"),
    ({"version": "1", "count": True}, "parameter_type", "parameters.count", "a whole number"),
    ({"version": "1", "count": "٣"}, "parameter_type", "parameters.count", "a whole number"),
    ({"version": "1", "force": "yes"}, "parameter_type", "parameters.force", "true or false"),
    ({"version": "1", "ring": "tin"}, "parameter_choice", "parameters.ring", "gold, iron"),
]


@pytest.mark.parametrize(("given", "code", "field", "says"), REFUSED_PARAMETERS)
def test_a_wrong_parameter_is_refused_by_name(
    given: dict[str, object], code: str, field: str, says: str
) -> None:
    with pytest.raises(InputError) as refused:
        bind_parameters(PARAMETERS, given)
    problem = refused.value.problems[0]
    assert (problem.code, problem.field) == (code, field)
    assert says in f"{problem.message} {problem.cure_text}"


def test_parameters_reach_the_host_as_text_with_their_defaults() -> None:
    bound = bind_parameters(PARAMETERS, {"version": "1.2", "force": True, "count": "+07"})
    assert environment(PARAMETERS, bound) == {
        "VERSION": "1.2",
        "NOTE": "",
        "COUNT": "7",
        "FORCE": "true",
        "RING": "iron",
    }
    assert upload_names(PARAMETERS, bound) == ["b-1.2.tgz"]


def test_a_value_that_leads_an_upload_out_of_its_folder_is_refused() -> None:
    recipe = read(
        """
        name: x
        parameters: {v: {}}
        steps:
          - {name: a, upload: {file: "{v}", to: "{v}/x"}}
        """
    )
    for value, field in (("../key", "file"), ("/etc/shadow", "file"), ("a/..", "file"), ("", "file")):
        with pytest.raises(InputError) as refused:
            upload_names(recipe, bind_parameters(recipe, {"v": value}))
        assert refused.value.problems[0].field == f"steps[0].upload.{field}"
    assert upload_names(recipe, bind_parameters(recipe, {"v": "a..b"})) == ["a..b"]


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_no_value_becomes_part_of_a_script(value: str) -> None:
    recipe = read("name: x\nparameters: {v: {}}\nsteps: [{name: a, run: 'echo \"$V\"'}]\n")
    assert recipe.steps[0].script == 'echo "$V"'
    assert environment(recipe, bind_parameters(recipe, {"v": value})) == {"V": value}
