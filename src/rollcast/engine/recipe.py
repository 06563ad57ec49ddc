"""Recipes: the ordered work on a host, its parameters, and what reaches the host of both.

The public face of the four modules behind it: `recipe_model` (values and SCHEMA), `recipe_reading`,
`recipe_steps` and `recipe_parameters`. `recipe_reference.yml` beside them explains every key.
"""

from __future__ import annotations

from rollcast.engine.check import check_script
from rollcast.engine.recipe_model import KINDS, SCHEMA, Defaults, Parameter, Recipe, Rerun, Step
from rollcast.engine.recipe_parameters import bind_parameters, environment, fill, upload_names
from rollcast.engine.recipe_reading import recipe_from_mapping

__all__ = [
    "KINDS",
    "SCHEMA",
    "Defaults",
    "Parameter",
    "Recipe",
    "Rerun",
    "Step",
    "bind_parameters",
    "check_script",
    "environment",
    "fill",
    "recipe_from_mapping",
    "upload_names",
]
