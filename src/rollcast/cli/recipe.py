"""`rollcast recipe validate`: check recipe files without an installation."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rollcast.cli.arguments import Commands, add_json
from rollcast.cli.said import BAD_INPUT, OK, print_json, problem_json, say_problem

if TYPE_CHECKING:
    from rollcast.engine.problems import Problem
    from rollcast.engine.recipe import Recipe


def add_to(commands: Commands) -> None:
    """Add the commands."""
    verbs = commands.add_parser("recipe", help="recipe files").add_subparsers(metavar="VERB", required=True)
    parser = verbs.add_parser("validate", help="check files; nothing is stored")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    add_json(parser)
    parser.set_defaults(act=validate)


def validate(given: argparse.Namespace) -> int:
    """Check each file and name all that is wrong."""
    from rollcast.engine.problems import InputError
    from rollcast.rollouts.recipe_files import load_recipe

    results: list[tuple[Path, Recipe | None, tuple[Problem, ...]]] = []
    for path in given.files:
        try:
            results.append((path, load_recipe(path).recipe, ()))
        except InputError as error:
            results.append((path, None, error.problems))
    if given.json:
        print_json(
            [
                {
                    "file": str(path),
                    "recipe": recipe.name if recipe else None,
                    "problems": [problem_json(problem) for problem in problems],
                }
                for path, recipe, problems in results
            ]
        )
    else:
        for path, recipe, problems in results:
            if recipe:
                print(f"{path}: right, {recipe.name}, {len(recipe.steps)} steps")
            for problem in problems:
                say_problem(problem)
    sys.stdout.flush()
    return BAD_INPUT if any(problems for _, _, problems in results) else OK
