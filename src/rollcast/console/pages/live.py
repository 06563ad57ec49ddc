"""How this web process serves the live pages: for who looks after the installation."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from livefeed.metrics import snapshot
from rollcast.console import live as words
from rollcast.console.pages.frame import console_page, show


@console_page
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """The figures of `livefeed.metrics`, and what they mean; they renew themselves."""
    figures = snapshot()
    context = {
        "figures": figures,
        "open_now": sum(figures.connections.values()),
        "connections": words.connections(figures),
        "refusals": words.refusals(figures),
        "resets": words.resets(figures),
        "closes": words.closes(figures),
    }
    return show(request, "live.html", context)
