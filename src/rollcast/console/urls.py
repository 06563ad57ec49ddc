"""URLs of the console: pages for people, `api/` for programs; both call the same actions."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, URLResolver, path
from django.views.i18n import JavaScriptCatalog

from rollcast.console.api import api
from rollcast.console.pages import fleet, live, overview, recipes, rollouts, start

app_name = "console"
# The words of the modules, with a door of their own: a project's own catalogue need not know ours.
_words = login_not_required(JavaScriptCatalog.as_view(packages=["rollcast.console"]))
# Every operation asks for the right itself, and answers 401 in JSON where a page would be redirected.
_operations, _ninja, _api = api.urls
for _operation in _operations:
    if _operation.callback is not None:
        login_not_required(_operation.callback)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", overview.overview, name="overview"),
    path("fleet/", fleet.fleet, name="fleet"),
    path("fleet/import", fleet.fleet_import, name="fleet_import"),
    path("fleet/<str:name>/", fleet.host, name="host"),
    path("fleet/<str:name>/look", fleet.host_look, name="host_look"),
    path("fleet/<str:name>/trust", fleet.host_trust, name="host_trust"),
    path("fleet/<str:name>/refuse", fleet.host_refuse, name="host_refuse"),
    path("live/", live.live, name="live"),
    path("recipes/", recipes.recipes, name="recipes"),
    path("recipes/<str:name>/", recipes.recipe, name="recipe"),
    path("rollouts/", rollouts.rollouts, name="rollouts"),
    path("rollouts/new/", start.rollout_new, name="rollout_new"),
    path("rollouts/new/preview", start.rollout_preview, name="rollout_preview"),
    path("rollouts/<int:rollout_id>/", rollouts.rollout, name="rollout"),
    path("api/", (_operations, _ninja, _api)),
    path("jsi18n/", _words, name="words"),
]
