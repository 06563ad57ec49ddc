"""Feeds in Django's admin: to look at, never to change (`livefeed.log` is the only writer).

Whoever has the permission `livefeed.view_feed` sees which feeds there are and their figures. Events are shown
only to whom LIVEFEED["MAY_READ"] lets read them: the admin is no way around that rule, not for a superuser.

An admin site of your own: `site.register(Feed, livefeed.admin.FeedAdmin)`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.contrib import admin
from django.db.models import Sum
from django.db.models.functions import Length
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import NoReverseMatch
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from livefeed.access import may_read
from livefeed.log import FeedNotFound, head
from livefeed.models import Feed, Frame, Lane
from livefeed.pages import EventsPruned, LogDamaged, Page, read
from livefeed.wiring import live_path

if TYPE_CHECKING:
    Admin = admin.ModelAdmin[Feed]
else:
    Admin = admin.ModelAdmin

# Events on a feed's page; older ones are what history pages and `livefeed_tail` are for.
LATEST: Final = 100
# Lanes that are named there.
LANES: Final = 100
# Characters of one event.
SHOWN_CHARS: Final = 500


class FeedAdmin(Admin):
    """The list of feeds, and one with its lanes and its latest events, live."""

    list_display = ("key", "first", "head", "kept", "is_closed")
    search_fields = ("key",)
    ordering = ("key",)
    list_per_page = 50
    show_full_result_count = False
    fields = ("key", "epoch", "first", "head", "closed_at", "stored", "lanes")
    readonly_fields = fields
    change_form_template = "livefeed/admin_feed.html"

    @admin.display(description=_("events kept"))
    def kept(self, feed: Feed) -> int:
        """How many events can be read."""
        return feed.head - feed.first + 1

    @admin.display(description=_("closed"), boolean=True, ordering="closed_at")
    def is_closed(self, feed: Feed) -> bool:
        """Whether it has ended, for now."""
        return feed.closed_at is not None

    @admin.display(description=_("stored"))
    def stored(self, feed: Feed) -> str:
        """What its events take in the database, compressed as they are."""
        size = Frame.objects.filter(feed=feed).aggregate(size=Sum(Length("body")))["size"] or 0
        return filesizeformat(size)

    @admin.display(description=_("lanes"))
    def lanes(self, feed: Feed) -> str:
        """The first lanes by name, and how many there are."""
        rows = Lane.objects.filter(feed=feed).order_by("no")
        count = rows.count()
        named = ", ".join(f"{lane.key} ({lane.name})" if lane.name else lane.key for lane in rows[:LANES])
        return f"{count}: {named}{' …' if count > LANES else ''}"

    @override
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One feed; Django asks for the permission."""
        feed = self.get_object(request, object_id)
        if feed is not None and self.has_view_permission(request, feed):
            extra_context = {**(extra_context or {}), **_events(request, feed.key)}
        return super().change_view(request, object_id, form_url, extra_context)

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: a feed is created by its first append."""
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: Feed | None = None) -> bool:
        """Nobody."""
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Feed | None = None) -> bool:
        """Nobody."""
        return False


def _events(request: HttpRequest, key: str) -> dict[str, Any]:
    """What the template shows of the events: none of them to whom may not read the feed."""
    if not may_read(request.user, key):
        return {"readable": False}
    try:
        state = head(key)
        page = read(key, max(state.head - LATEST, state.first - 1))
    except (EventsPruned, FeedNotFound, LogDamaged) as error:
        return {"readable": True, "damage": str(error)}
    return {"readable": True, "events": list(_rows(page)), "page": page, "is_live": _is_routed()}


def _rows(page: Page) -> Iterator[tuple[int, datetime, str, str, str, str]]:
    for lane, kind, origin, at_ms, first, items in page.groups:
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        for seq, data in enumerate(items, first):
            text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
            shown = text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]} …"
            yield seq, at, lane, kind, origin or "", shown


def _is_routed() -> bool:
    try:
        live_path()
    except NoReverseMatch:
        return False
    return True


if apps.is_installed("django.contrib.admin"):
    admin.site.register(Feed, FeedAdmin)
