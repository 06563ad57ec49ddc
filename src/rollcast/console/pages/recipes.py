"""The recipes: what is there, what is wrong with a file, and what one does."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from rollcast.conf import recipes_folder
from rollcast.console.pages.frame import console_page, show
from rollcast.console.said import say_all
from rollcast.rollouts.recipe_files import load_recipes


@console_page
@require_safe
def recipes(request: HttpRequest) -> HttpResponse:
    """Every recipe file; those that cannot be used with their problems."""
    files = [{"file": found, "problems": say_all(found.problems)} for found in load_recipes()]
    return show(request, "recipes.html", {"files": files, "recipes_folder": recipes_folder()})


@console_page
@require_safe
def recipe(request: HttpRequest, name: str) -> HttpResponse:
    """Steps, parameters and text of one recipe; of a wrong file the text and its problems."""
    found = next((found for found in load_recipes() if found.name == name), None)
    if found is None:
        raise Http404
    return show(
        request, "recipe.html", {"file": found, "recipe": found.recipe, "problems": say_all(found.problems)}
    )
