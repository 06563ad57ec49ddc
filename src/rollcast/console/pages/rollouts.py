"""The list of rollouts and the page of one."""

from __future__ import annotations

import time
from functools import partial
from typing import Final

from csp.decorators import csp_update
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.http.request import HttpHeaders
from django.urls import reverse
from django.views.decorators.http import require_safe

from rollcast.console.pages.frame import console_page, page_number, show
from rollcast.console.said import cures
from rollcast.engine.states import RolloutState
from rollcast.rollouts import leases, queries

# Bytes from servers end up on the rollout page: no string may become markup. So it does without htmx.
NO_MARKUP: Final = {"require-trusted-types-for": ["'script'"], "trusted-types": ["'none'"]}
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
def rollout(request: HttpRequest, rollout_id: int) -> HttpResponseBase:
    """One rollout, live: the frame, and the snapshot from which the browser modules go on."""
    return csp_update(NO_MARKUP)(partial(_live_page, rollout_id=rollout_id))(request)


def _live_page(request: HttpRequest, rollout_id: int) -> HttpResponse:
    try:
        snapshot = queries.rollout_page(rollout_id)
    except LookupError as error:
        raise Http404 from error
    context = {
        "snapshot": snapshot,
        "rollout": snapshot["rollout"],
        "cures": cures(),
        "idle": snapshot["rollout"]["state"] in OPEN and not leases.n_alive(time.time()),
        "api_url": reverse("console:api:get_rollout", args=[rollout_id]),
        "sign_in_url": redirect_to_login(request.get_full_path()).url,
        "csrf_header": HttpHeaders.parse_header_name(settings.CSRF_HEADER_NAME),
    }
    return show(request, "rollout.html", context)
