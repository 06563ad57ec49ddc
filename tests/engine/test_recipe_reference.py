"""recipe_reference.yml is documentation, example and schema at once; these tests keep it so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from rollcast.engine.recipe import KINDS, SCHEMA, bind_parameters, environment, upload_names
from rollcast.engine.recipe_model import PARAMETER_TYPES
from rollcast.rollouts.recipe_files import values_and_lines
from tests.engine.reading import REFERENCE, read

TEXT = REFERENCE.read_text("utf-8")


def keys_by_place(value: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Each `(place, key)` of a value, with list indexes and parameter names generalised as SCHEMA does."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if place == "parameters":
                yield from keys_by_place(item, "parameters.*")
                continue
            yield place, key
            yield from keys_by_place(item, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for item in value:
            yield from keys_by_place(item, f"{place}[]")


def test_the_reference_shows_exactly_the_keys_of_the_schema() -> None:
    shown: dict[str, set[str]] = {}
    for place, key in keys_by_place(values_and_lines(TEXT)[0]):
        shown.setdefault(place, set()).add(key)
    assert shown == {place: set(keys) for place, keys in SCHEMA.items()}


def test_the_reference_is_a_recipe_that_can_be_started() -> None:
    recipe = read(TEXT)
    bound = bind_parameters(recipe, {"version": "1.42.0"})
    assert {step.kind for step in recipe.steps} == set(KINDS)
    assert upload_names(recipe, bound) == ["game-1.42.0.tar.gz"]
    assert environment(recipe, bound) == {
        "VERSION": "1.42.0",
        "ANNOUNCEMENT": "The server restarts soon.",
        "CHANNEL": "stable",
        "WARN_MINUTES": "5",
        "KEEP_OLD": "true",
    }


def test_every_key_of_the_reference_is_explained_where_it_first_stands() -> None:
    lines = TEXT.splitlines()
    for keys in SCHEMA.values():
        for key in keys:
            first = next(i for i, line in enumerate(lines) if re.match(rf"\s*(- )?{key}:", line))
            explained = lines[first - 1].lstrip().startswith("#") or key in {"description", "title", "type"}
            assert explained, f"{key} in line {first + 1} has no comment above it"


def test_every_word_that_a_key_may_have_stands_in_the_reference() -> None:
    for word in (*PARAMETER_TYPES, "ask", "always", "never", "fail", "go_on", "line", "as-is"):
        assert re.search(rf"\b{word}\b", TEXT), word
