"""The list of rollouts and the page of one."""

from __future__ import annotations

from typing import Final

from csp.decorators import csp_update
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from rollcast.console.pages.frame import console_page, page_number, show
from rollcast.engine.states import RolloutState
from rollcast.rollouts import queries

OPEN: Final = ("pending", "running", "paused", "cancelling")
# The filters above the list, in their order; "open" is everything that has not ended.
FILTERS: Final = {
    "": (),
    "open": OPEN,
    RolloutState.SUCCEEDED.value: (RolloutState.SUCCEEDED.value,),
    RolloutState.FAILED.value: (RolloutState.FAILED.value,),
    RolloutState.CANCELLED.value: (RolloutState.CANCELLED.value,),
}


@console_page
@require_safe
def rollouts(request: HttpRequest) -> HttpResponse:
    """All rollouts, newest first, by state."""
    state = request.GET.get("state", "")
    if state not in FILTERS:
        raise Http404
    listed = queries.rollout_list(page_number(request), FILTERS[state])
    return show(request, "rollouts.html", {"listed": listed, "state": state, "filters": list(FILTERS)})


@console_page
@require_safe
# Bytes from servers end up on this page: no string may become markup. It loads no htmx, which could not.
@csp_update({"require-trusted-types-for": ["'script'"], "trusted-types": ["'none'"]})
def rollout(request: HttpRequest, rollout_id: int) -> HttpResponse:
    """One rollout, live: the frame, and the snapshot from which the browser modules go on."""
    try:
        snapshot = queries.rollout_page(rollout_id)
    except LookupError as error:
        raise Http404 from error
    context = {
        "snapshot": snapshot,
        "rollout": snapshot["rollout"],
        "api_url": reverse("console:rollout", args=[rollout_id])
        .replace("/rollouts/", "/api/rollouts/", 1)
        .rstrip("/"),
    }
    return show(request, "rollout.html", context)
