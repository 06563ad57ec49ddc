"""The JSON API: the second door to the actions that the pages call. Documented at `openapi.json`.

Who may: the session cookie of somebody who may operate, and on every change the CSRF token (header
`X-CSRFToken`). Errors have one shape each: 401 `{"error": "sign_in"}`, 403 `{"error": "forbidden"}`, 404
`{"error": "not_found"}`, 422 (bad input) and 409 (not possible in this state) `{"problems": [...]}` in the
language of the request; 503 with `problems` while the database takes nothing.
"""

from __future__ import annotations

import time
from typing import Any

from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils.http import content_disposition_header
from ninja import NinjaAPI, Router, Status
from ninja.errors import AuthenticationError, HttpError, ValidationError

from livefeed.metrics import snapshot
from rollcast.console import inventory, shapes
from rollcast.console.api_auth import OperatorSession
from rollcast.console.log_text import log_lines, streamed
from rollcast.console.pages.frame import actor_of
from rollcast.console.said import say, say_all, say_trouble
from rollcast.engine.problems import InputError
from rollcast.fleet import actions as fleet_actions
from rollcast.rollouts import actions, queries, recipe_files
from rollcast.rollouts.standstill import refusal, standstill

api = NinjaAPI(
    title="Rollcast",
    version="1",
    description="Start rollouts, watch over them and look after the fleet.",
    auth=OperatorSession(),
    docs_url=None,
    openapi_url=None,  # served below like every other path: to operators
    urls_namespace="api",
)
hosts = Router(tags=["hosts"])
recipes = Router(tags=["recipes"])
rollouts = Router(tags=["rollouts"])

PROBLEMS = {422: shapes.Problems}
CHANGE = {202: shapes.Accepted, 409: shapes.Problems, 422: shapes.Problems}


@hosts.get("", response={200: list[shapes.Host], **PROBLEMS})
def list_hosts(request: HttpRequest, selector: str = "") -> Any:
    """The hosts that the selector chooses, by name; all without one."""
    return inventory.hosts(selector)


@hosts.post("/import", response={200: shapes.ImportReport, **PROBLEMS})
def import_hosts(request: HttpRequest, body: shapes.Import) -> Any:
    """Bring hosts in from CSV or YAML text: all of them, or none and the list of problems."""
    return fleet_actions.import_hosts(body.text, body.filename, actor_of(request))


@hosts.post("/{name}/look", response={200: shapes.HostKey, **PROBLEMS})
def look_at_host(request: HttpRequest, name: str) -> Any:
    """Ask the host which key it shows now, and remember it; nothing is trusted by that."""
    return fleet_actions.look_at_host(name, actor_of(request))


@hosts.post("/{name}/trust", response={200: shapes.HostKey, **PROBLEMS})
def trust_host(request: HttpRequest, name: str, body: shapes.Trust) -> Any:
    """Trust the key that the host showed last, or the one with this fingerprint."""
    return fleet_actions.trust_host(name, actor_of(request), body.fingerprint)


@recipes.get("", response=list[shapes.RecipeListed])
def list_recipes(request: HttpRequest) -> Any:
    """Every recipe file, those that cannot be used with their problems."""
    return [shapes.recipe_listed(found) for found in recipe_files.load_recipes()]


@recipes.post("/validate", response={200: shapes.RecipeListed, **PROBLEMS})
def validate_recipe(request: HttpRequest, body: shapes.RecipeText) -> Any:
    """Check a recipe's text without storing it."""
    return shapes.recipe_listed(recipe_files.read_recipe(body.text, body.filename or None))


@rollouts.post("/preview", response={200: shapes.Preview, **PROBLEMS})
def preview_rollout(request: HttpRequest, body: shapes.Start) -> Any:
    """Which hosts would go in which wave, without starting anything."""
    return shapes.preview(actions.preview_rollout(body.to_request()))


@rollouts.post("", response={202: shapes.Started, **PROBLEMS})
def start_rollout(request: HttpRequest, body: shapes.Start) -> Any:
    """Start a rollout; the same request with the same `idempotency_key` answers with the one it started.

    The same key with another request is refused (409), and nothing is started.
    """
    rollout_id = actions.start_rollout(body.to_request(), actor_of(request))
    return Status(202, {"id": rollout_id, "url": reverse("console:rollout", args=[rollout_id])})


@rollouts.get("", response=dict[str, Any])
def list_rollouts(request: HttpRequest, page: int = 1, state: str = "") -> Any:
    """One page of the rollouts, newest first: `rollouts`, `page`, `pages`, `total`."""
    return queries.rollout_list(page, [state] if state else ())


@rollouts.get("/{int:rollout_id}", response=dict[str, Any])
def get_rollout(request: HttpRequest, rollout_id: int) -> Any:
    """A rollout whole: its settings, steps, waves and targets, and the head of its feed.

    A target that could not take part, or whose cancel is unconfirmed, has a `problem`: what happened to which
    host, and the cure. A step has the account of its journal: `journal_bytes` and `journal_sha256` as on the
    host, and `journal_same`: whether all of that is stored (null: not known).
    """
    page = queries.rollout_page(rollout_id)
    for target in page["targets"]:
        target["problem"] = say_trouble(target)
    return page


@rollouts.post("/{int:rollout_id}/pause", response=CHANGE)
def pause_rollout(request: HttpRequest, rollout_id: int) -> Any:
    """No further step starts; steps under way end."""
    actions.pause_rollout(rollout_id, actor_of(request))
    return Status(202, {"id": rollout_id})


@rollouts.post("/{int:rollout_id}/resume", response=CHANGE)
def resume_rollout(request: HttpRequest, rollout_id: int) -> Any:
    """Go on after a pause."""
    actions.resume_rollout(rollout_id, actor_of(request))
    return Status(202, {"id": rollout_id})


@rollouts.post("/{int:rollout_id}/cancel", response=CHANGE)
def cancel_rollout(request: HttpRequest, rollout_id: int) -> Any:
    """End what runs on the hosts and start nothing more; again: ask hosts that have not confirmed it."""
    actions.cancel_rollout(rollout_id, actor_of(request))
    return Status(202, {"id": rollout_id})


@rollouts.post("/{int:rollout_id}/accept", response=CHANGE)
def accept_rollout(request: HttpRequest, rollout_id: int, body: shapes.Accept) -> Any:
    """Let hosts that did not confirm their cancel count as cancelled, by name and with a reason."""
    actions.accept_rollout(rollout_id, actor_of(request), body.targets, body.reason)
    return Status(202, {"id": rollout_id})


@rollouts.post("/{int:rollout_id}/retry", response=CHANGE)
def retry_rollout(request: HttpRequest, rollout_id: int, body: shapes.Retry | None = None) -> Any:
    """Run failed and interrupted hosts again from the step where they stopped; all, or the named ones."""
    actions.retry_rollout(rollout_id, actor_of(request), body.targets if body else None)
    return Status(202, {"id": rollout_id})


@rollouts.get("/{int:rollout_id}/log.txt", response={200: None})
def rollout_log(request: HttpRequest, rollout_id: int, target: str = "") -> StreamingHttpResponse:
    """Every stored line as plain text, of all targets or of the named one."""
    lines = streamed(request, log_lines(rollout_id, target))
    response = StreamingHttpResponse(lines, content_type="text/plain; charset=utf-8")
    of_target = f"-{target}" if target else ""
    filename = f"rollout-{rollout_id}{of_target}.txt"
    response["Content-Disposition"] = content_disposition_header(True, filename) or "attachment"
    return response


@api.get("/status", response=shapes.Status, tags=["status"])
def get_status(request: HttpRequest) -> Any:
    """Whether anything keeps rollouts from going on: no worker, a full disk, a locked database."""
    found = standstill(time.time())
    if found is None:
        return {"problem": None, "since_ms": None}
    since_ms = None if found.since is None else round(found.since * 1000)
    return {"problem": say(found.problem).as_json(), "since_ms": since_ms}


@api.get("/live", response=shapes.LiveFeed, tags=["live feed"])
def live_feed(request: HttpRequest) -> Any:
    """How the live feed of the web process that answers stands; each web process counts for itself."""
    return snapshot()


@api.get("/openapi.json", include_in_schema=False)
def openapi(request: HttpRequest) -> HttpResponse:
    """This API as an OpenAPI document."""
    return JsonResponse(api.get_openapi_schema(path_prefix=reverse("console:api:api-root")))


api.add_router("/hosts", hosts)
api.add_router("/recipes", recipes)
api.add_router("/rollouts", rollouts)


@api.exception_handler(InputError)
def refuse_input(request: HttpRequest, error: InputError) -> HttpResponse:
    """422 with every problem; 409 when the state forbids the action."""
    status = 409 if isinstance(error, actions.NotPossible) else 422
    return api.create_response(request, {"problems": [p.as_json() for p in say_all(error)]}, status=status)


@api.exception_handler(OperationalError)
def refuse_for_the_database(request: HttpRequest, error: OperationalError) -> HttpResponse:
    """503: a full disk, a locked database; nothing was done, ask again later."""
    return api.create_response(request, {"problems": [say(refusal(error)).as_json()]}, status=503)


@api.exception_handler(ValidationError)
def refuse_body(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """A body of the wrong shape, told as the same kind of problems."""
    return api.create_response(request, {"problems": shapes.body_problems(error)}, status=422)


@api.exception_handler(AuthenticationError)
def ask_to_sign_in(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    """Nobody is signed in."""
    return api.create_response(request, {"error": "sign_in"}, status=401)


@api.exception_handler(LookupError)
@api.exception_handler(Http404)
def say_not_found(request: HttpRequest, error: Exception) -> HttpResponse:
    """No such rollout or host."""
    return api.create_response(request, {"error": "not_found"}, status=404)


@api.exception_handler(HttpError)
def say_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Refused by rights, origin or CSRF check (403), or no JSON (400)."""
    word = {400: "bad_request", 403: "forbidden"}.get(error.status_code, "error")
    return api.create_response(request, {"error": word, "detail": error.message}, status=error.status_code)
