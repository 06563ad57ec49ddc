"""From a parsed YAML (or JSON) value to a `Recipe`, collecting every problem with its line and field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from rollcast.engine.budget import parse_budget
from rollcast.engine.problems import InputError, gettext_noop
from rollcast.engine.recipe_fields import Reading
from rollcast.engine.recipe_model import SCHEMA, Defaults, Recipe
from rollcast.engine.recipe_parameters import read_parameters
from rollcast.engine.recipe_steps import read_step
from rollcast.engine.selector import parse_selector
from rollcast.engine.waves import parse_waves

# A recipe's name is part of an address: /recipes/<name>/.
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}", flags=re.ASCII)


def recipe_from_mapping(value: object, marks: Mapping[str, int], file: str | None) -> Recipe:
    """The recipe that `value` describes; InputError with all problems, in the order of their lines."""
    reading = Reading(marks, file)
    top = reading.mapping(value, "", SCHEMA[""])
    if top is None:
        raise InputError(reading.problems)
    name = reading.text(top, "", "name", required=True)
    if name and not _SLUG.fullmatch(name):
        reading.add(
            "name",
            "recipe_name",
            gettext_noop("“%(name)s” cannot be part of a web address."),
            gettext_noop("Use lower-case letters, digits, - and _; put the words into title."),
            name=name,
        )
    title = reading.text(top, "", "title")
    description = reading.text(top, "", "description")
    parameters = read_parameters(reading, top.get("parameters"))
    defaults = _read_defaults(reading, top.get("defaults"))
    items = reading.sequence(top, "steps")
    steps = [read_step(reading, item, f"steps[{index}]", parameters) for index, item in enumerate(items)]
    _check_unique_names(reading, [step.name if step else "" for step in steps])
    if reading.problems:
        raise InputError(sorted(reading.problems, key=lambda problem: problem.line or 0))
    return Recipe(
        name,
        title or name,
        description.strip(),
        parameters,
        tuple(step for step in steps if step is not None),
        defaults,
    )


def _read_defaults(reading: Reading, value: object) -> Defaults:
    if value is None:
        return Defaults()
    given = reading.mapping(value, "defaults", SCHEMA["defaults"]) or {}
    texts: dict[str, str | None] = {}
    for key, parse in (
        ("selector", parse_selector),
        ("waves", parse_waves),
        ("failure_budget", parse_budget),
    ):
        item = given.get(key)
        if item is None:
            texts[key] = None
            continue
        if isinstance(item, bool) or not isinstance(item, str | int):
            reading.wrong_type(f"defaults.{key}", gettext_noop("text or a whole number"), item)
            continue
        texts[key] = str(item)
        try:
            parse(str(item))
        except InputError as error:
            for problem in error.problems:
                reading.keep(problem, f"defaults.{key}")
    parallel = given.get("parallel")
    if parallel is not None and (isinstance(parallel, bool) or not isinstance(parallel, int) or parallel < 1):
        reading.wrong_type("defaults.parallel", gettext_noop("a whole number from 1"), parallel)
        parallel = None
    return Defaults(texts.get("selector"), texts.get("waves"), parallel, texts.get("failure_budget"))


def _check_unique_names(reading: Reading, names: Sequence[str]) -> None:
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if name and name in seen:
            reading.add(
                f"steps[{index}].name",
                "step_name_twice",
                gettext_noop("Two steps are named “%(name)s”."),
                gettext_noop("Give each step a name of its own: people choose by it where to retry."),
                name=name,
            )
        seen.setdefault(name, index)
