"""YAML texts for tests of the engine, which itself reads no YAML: values with the line of each field."""

from __future__ import annotations

import textwrap
from pathlib import Path

from rollcast.engine import recipe
from rollcast.rollouts.recipe_files import values_and_lines

REFERENCE = Path(recipe.__file__).with_name("recipe_reference.yml")


def read(text: str, file: str | None = "recipes/x.yml") -> recipe.Recipe:
    """The recipe of an indented YAML text."""
    value, marks = values_and_lines(textwrap.dedent(text).lstrip("\n"), file)
    return recipe.recipe_from_mapping(value, marks, file)
