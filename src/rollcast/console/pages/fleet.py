"""The fleet: hosts by selector, the import, and a host's page with the decision about its keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from rollcast.console import inventory
from rollcast.console.pages.frame import actor_of, console_page, show
from rollcast.console.said import SaidProblem, say_all
from rollcast.engine.problems import InputError, Problem, gettext_noop
from rollcast.fleet import actions
from rollcast.rollouts import queries as rollout_queries

# Hosts on one page; above it the page says how many there are and asks for a narrower selector.
SHOWN: Final = 500
HOST_ROLLOUTS: Final = 20
PASTED: Final = "pasted"


@console_page
@require_safe
def fleet(request: HttpRequest) -> HttpResponse:
    """The hosts that `?selector=` chooses."""
    selector = request.GET.get("selector", "").strip()
    found: list[dict[str, Any]] = []
    problems: list[SaidProblem] = []
    try:
        found = inventory.hosts(selector)
    except InputError as error:
        problems = say_all(error)
    shown = found[:SHOWN]
    last = rollout_queries.last_targets([host["name"] for host in shown])
    context = {
        "hosts": [{**host, "last": last.get(host["name"])} for host in shown],
        "n_found": len(found),
        "n_all": len(found) if not selector else len(inventory.hosts()),
        "selector": selector,
        "problems": problems,
    }
    return show(request, "fleet.html", context, status=422 if problems else 200)


@console_page
@require_http_methods(["GET", "HEAD", "POST"])
def fleet_import(request: HttpRequest) -> HttpResponse:
    """Bring hosts in from a file or from pasted text: all of them, or none and the list of problems."""
    if request.method != "POST":
        return show(request, "fleet_import.html", {})
    text, kind = request.POST.get("text", ""), request.POST.get("kind", "csv")
    try:
        text, filename = _given(request, text, kind)
        report = actions.import_hosts(text, filename, actor_of(request))
    except InputError as error:
        context = {"problems": say_all(error), "text": text, "kind": kind}
        return show(request, "fleet_import.html", context, status=422)
    n = len(report.created) + len(report.updated) + len(report.unchanged)
    said = ngettext("%(n)d host read", "%(n)d hosts read", n) % {"n": n}
    detail = _("%(created)d new, %(updated)d changed, %(unchanged)d as before") % {
        "created": len(report.created),
        "updated": len(report.updated),
        "unchanged": len(report.unchanged),
    }
    messages.success(request, f"{said}: {detail}")
    return HttpResponseRedirect(reverse("console:fleet"))


@console_page
@require_safe
def host(request: HttpRequest, name: str) -> HttpResponse:
    """A host's facts, its keys and its rollouts."""
    return _host_page(request, name)


@console_page
@require_POST
def host_look(request: HttpRequest, name: str) -> HttpResponse:
    """Ask the host which key it shows now; what it shows waits for a decision on its page."""
    try:
        key = actions.look_at_host(name, actor_of(request))
    except InputError as error:
        return _host_page(request, name, say_all(error), status=422)
    if key.state == "pinned":
        messages.success(request, _("The host shows the key that is trusted."))
    return HttpResponseRedirect(reverse("console:host", args=[name]))


@console_page
@require_POST
def host_trust(request: HttpRequest, name: str) -> HttpResponse:
    """Trust the key with the posted fingerprint; the one trusted before is revoked."""
    return _decide(request, name, actions.trust_host, _("The key is trusted from now on."))


@console_page
@require_POST
def host_refuse(request: HttpRequest, name: str) -> HttpResponse:
    """Refuse the key with the posted fingerprint."""
    return _decide(request, name, actions.refuse_key, _("The key is refused."))


def _decide(
    request: HttpRequest, name: str, action: Callable[[str, str, str], object], said: str
) -> HttpResponse:
    try:
        action(name, actor_of(request), request.POST.get("fingerprint", ""))
    except InputError as error:
        return _host_page(request, name, say_all(error), status=422)
    messages.success(request, said)
    return HttpResponseRedirect(reverse("console:host", args=[name]))


def _host_page(
    request: HttpRequest, name: str, problems: list[SaidProblem] | None = None, status: int = 200
) -> HttpResponse:
    found = inventory.host(name)
    if found is None:
        raise Http404
    context = {
        "host": found,
        "undecided": [key for key in found["keys"] if key["state"] == "pending"],
        "pinned": [key for key in found["keys"] if key["state"] == "pinned"],
        "rollouts": rollout_queries.rollouts_of_host(name, HOST_ROLLOUTS),
        "problems": problems or [],
    }
    return show(request, "host.html", context, status=status)


def _given(request: HttpRequest, text: str, kind: str) -> tuple[str, str]:
    """The inventory's text and name: of the uploaded file, else of what was pasted."""
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        return text, f"{PASTED}.{'yaml' if kind == 'yaml' else 'csv'}"
    name = str(file.name)
    try:
        return file.read().decode("utf-8-sig"), name
    except UnicodeDecodeError as error:
        raise InputError(
            Problem(
                "inventory_encoding",
                gettext_noop("The file is not UTF-8."),
                cure=gettext_noop("Save it as UTF-8."),
                file=name,
                field="file",
            )
        ) from error
