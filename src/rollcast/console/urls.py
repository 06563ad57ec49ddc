"""URLs of the console: pages for people, `api/` for programs; both call the same actions."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from rollcast.console.api import api
from rollcast.console.pages import fleet, overview, recipes, rollouts, start

app_name = "console"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", overview.overview, name="overview"),
    path("fleet/", fleet.fleet, name="fleet"),
    path("fleet/import", fleet.fleet_import, name="fleet_import"),
    path("fleet/<str:name>/", fleet.host, name="host"),
    path("fleet/<str:name>/look", fleet.host_look, name="host_look"),
    path("fleet/<str:name>/trust", fleet.host_trust, name="host_trust"),
    path("fleet/<str:name>/refuse", fleet.host_refuse, name="host_refuse"),
    path("recipes/", recipes.recipes, name="recipes"),
    path("recipes/<str:name>/", recipes.recipe, name="recipe"),
    path("rollouts/", rollouts.rollouts, name="rollouts"),
    path("rollouts/new/", start.rollout_new, name="rollout_new"),
    path("rollouts/new/preview", start.rollout_preview, name="rollout_preview"),
    path("rollouts/<int:rollout_id>/", rollouts.rollout, name="rollout"),
    path("api/", api.urls),
]
