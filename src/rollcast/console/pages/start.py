"""Start a rollout: recipe → parameters and settings → preview → start."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from rollcast.console.pages.frame import actor_of, console_page, show
from rollcast.console.said import say_all
from rollcast.console.start_form import StartForm, start_form, start_request
from rollcast.engine.problems import InputError
from rollcast.engine.recipe import Recipe
from rollcast.rollouts import actions, recipe_files


@console_page
@require_http_methods(["GET", "HEAD", "POST"])
def rollout_new(request: HttpRequest) -> HttpResponse:
    """Without `?recipe=`: choose one. With it: the form. POST: start, or the form again with its problems."""
    name = request.GET.get("recipe", "")
    usable = [found.recipe for found in recipe_files.load_recipes() if found.recipe is not None]
    chosen = next((recipe for recipe in usable if recipe.name == name), None)
    if chosen is None and len(usable) == 1 and not name:
        chosen = usable[0]
    if chosen is None:
        context = {"recipes": usable, "missing": name, "selector": request.GET.get("selector", "")}
        return show(request, "rollout_choose.html", context, status=404 if name else 200)
    if request.method == "POST":
        return _start(request, chosen)
    return _form_page(
        request, usable, start_form(chosen, selector=request.GET.get("selector", "")), uuid.uuid4().hex
    )


@console_page
@require_GET
def rollout_preview(request: HttpRequest) -> HttpResponse:
    """The fragment beside the form: which hosts in which waves, or which problems at which fields."""
    try:
        recipe = recipe_files.find_recipe(request.GET.get("recipe", "")).recipe
    except InputError as error:
        return show(request, "parts/preview.html", {"general": say_all(error)})
    assert recipe is not None  # find_recipe raises for a wrong file
    form = start_form(recipe, request.GET.dict())
    preview = None
    try:
        preview = actions.preview_rollout(start_request(recipe, request.GET.dict()))
    except InputError as error:
        form.place(error)
    hosts = sum(len(names) for names in preview.waves) if preview else 0
    context = {"form": form, "preview": preview, "preview_hosts": hosts, "out_of_band": True}
    return show(request, "parts/preview.html", context)


def _start(request: HttpRequest, recipe: Recipe) -> HttpResponse:
    typed = request.POST.dict()
    try:
        rollout_id = actions.start_rollout(start_request(recipe, typed), actor_of(request))
    except InputError as error:
        form = start_form(recipe, typed)
        form.place(error)
        usable = [found.recipe for found in recipe_files.load_recipes() if found.recipe is not None]
        if isinstance(error, actions.NotPossible):  # the key was used: the form as it is now is another start
            return _form_page(request, usable, form, uuid.uuid4().hex, status=409)
        return _form_page(request, usable, form, typed.get("idempotency_key") or uuid.uuid4().hex, status=422)
    return HttpResponseRedirect(reverse("console:rollout", args=[rollout_id]))


def _form_page(
    request: HttpRequest, usable: list[Recipe], form: StartForm, key: str, status: int = 200
) -> HttpResponse:
    context = {"recipes": usable, "form": form, "idempotency_key": key}
    return show(request, "rollout_new.html", context, status=status)
