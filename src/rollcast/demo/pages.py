"""The page of the drill, which only the demo's console has: a button, how it stands, its account."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from rollcast.conf import home, option
from rollcast.console.pages.frame import console_page
from rollcast.demo import asking
from rollcast.demo.drill_plan import Kind

# Seconds to choose from; the first is proposed.
LENGTHS: Final = (60, 30, 180)

FAULTS: Final[dict[Kind, str | Promise]] = {
    "worker_kill": gettext_lazy("Worker killed"),
    "worker_term": gettext_lazy("Worker told to end"),
    "worker_freeze": gettext_lazy("Worker frozen until others took it for gone"),
    "web_kill": gettext_lazy("Web killed"),
    "web_term": gettext_lazy("Web told to end"),
    "console_kill": gettext_lazy("Web and worker killed"),
    "console_term": gettext_lazy("Web and worker told to end"),
    "browser_cut": gettext_lazy("Socket of the drill's own viewer cut"),
    "ssh_cut": gettext_lazy("SSH connection cut"),
    "sshd_restart": gettext_lazy("SSH server killed and restarted"),
}
_PROCESS_FAULTS: Final = ("worker", "web", "console", "browser")


@console_page
@require_safe
def drill(request: HttpRequest) -> HttpResponse:
    """How the drill stands, and the button that starts one."""
    state = asking.said(home())
    context = {
        "base_template": option("BASE_TEMPLATE"),
        "lengths": LENGTHS,
        "asked": asking.asked(home()) is not None,
        "drill": None if state is None else _shown(state),
    }
    return render(request, "demo/drill.html", context)


@console_page
@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Ask the demo's process for a drill."""
    wanted = request.POST.get("seconds", "")
    seconds = next((length for length in LENGTHS if str(length) == wanted), LENGTHS[0])
    if not asking.ask(home(), seconds):
        messages.warning(request, _("A drill is under way: wait until it has ended."))
    return HttpResponseRedirect(reverse("demo:drill"))


def _shown(state: dict[str, Any]) -> dict[str, Any]:
    faults = [
        {
            "at_s": fault["at_s"],
            "word": FAULTS.get(fault["fault"], fault["fault"]),
            "hosts": [] if fault["fault"].startswith(_PROCESS_FAULTS) else fault["hit"],
        }
        for fault in state["faults"]
    ]
    began = datetime.fromtimestamp(state["began_ms"] / 1000, tz=UTC)
    left_s = max(0, round(state["seconds"] - (datetime.now(tz=UTC) - began).total_seconds()))
    longest_s = max(state["took"], default=None)
    return {**state, "faults": faults, "began": began, "left_s": left_s, "longest_s": longest_s}
