"""The first page: what runs, what waits for a person, what was done, how large the fleet is."""

from __future__ import annotations

import time
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from livefeed.metrics import snapshot
from rollcast.console import inventory
from rollcast.console.pages.frame import console_page, show
from rollcast.console.pages.rollouts import OPEN
from rollcast.rollouts import leases, queries, recipe_files

LAST_ROLLOUTS: Final = 8


@console_page
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """What an operator asks first; the list of what runs renews itself."""
    running = queries.rollout_list(1, OPEN)["rollouts"]
    fleet = inventory.hosts()
    newest = queries.rollout_list(1)
    recipes = recipe_files.load_recipes()
    context = {
        "running": running,
        "idle": bool(running) and not leases.n_alive(time.time()),
        "waiting": [rollout for rollout in running if rollout["waiting"] or rollout["state"] == "paused"],
        "undecided": [host for host in fleet if host["key_state"] in ("unknown", "changed")],
        "last": newest["rollouts"][:LAST_ROLLOUTS],
        "hosts": len(fleet),
        "recipes": sum(found.recipe is not None for found in recipes),
        "broken_recipes": sum(found.recipe is None for found in recipes),
        "rollouts_total": newest["total"],
        "connections": sum(snapshot().connections.values()),
    }
    return show(request, "overview.html", context)
