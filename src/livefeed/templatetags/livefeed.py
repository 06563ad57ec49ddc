"""`{% load livefeed %}{% livefeed "report/7" %}`: a feed on a page, with no script of the page's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django import template
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIRequest
from django.template import Context
from django.urls import NoReverseMatch

from livefeed.checks import settings_are_sound, sqlite_begins_immediate
from livefeed.log import FeedState
from livefeed.pages import Page
from livefeed.wiring import ASGI_SERVER, INCLUDE, live_path, the_project_around_is_whole
from livefeed.words import WORDS

register = template.Library()


@register.inclusion_tag("livefeed/live_feed.html", takes_context=True)
def livefeed(
    context: Context,
    feed: str,
    *,
    after: int | Page | FeedState = 0,
    epoch: str = "",
    lane: str = "",
    lines: int = 1000,
    every: bool = False,
    label: str = "",
    nonce: str = "",
) -> dict[str, Any]:
    """The feed with this key: its lines, its progress, and in words how the connection is.

    after   begin behind this: what `livefeed.read` or `livefeed.head` answered, or a seq with its `epoch`;
            by default the page shows the feed from its first event
    lane    show this lane only
    lines   keep at most so many rows on the page; it says how many had to go
    every   show events of every kind, not only `line`, `cont` and `progress`
    label   what a screen reader calls it; by default the key
    nonce   for a content policy that asks for one: `{% livefeed "report/7" nonce=request.csp_nonce %}`

    With DEBUG it says above the feed what would keep it silent, and the cure.
    Raises ImproperlyConfigured while `livefeed.urls` is in no URLconf, ValueError for a seq without epoch.
    """
    if isinstance(after, Page | FeedState):
        epoch, after = after.epoch, after.to if isinstance(after, Page) else after.head
    if after and not epoch:
        raise ValueError(
            'A cursor needs its epoch: {% livefeed "report/7" after=page %} with livefeed.read()'
        )
    path = _path()
    return {
        "troubles": _troubles(context.get("request")) if settings.DEBUG else [],
        "feed": feed,
        "path": path,
        "history": f"{path}history",
        "after": str(after),  # text: a template would write 1,000
        "epoch": epoch,
        "lane": lane,
        "lines": str(lines),
        "every": every,
        "label": label,
        "nonce": nonce,
        "words": json.dumps({word: str(text) for word, text in WORDS.items()}, ensure_ascii=False),
    }


def _path() -> str:
    """Where the feed is served: the history pages lie below it, under any mount."""
    try:
        return live_path()
    except NoReverseMatch as error:
        raise ImproperlyConfigured(f"{{% livefeed %}} needs livefeed.urls. {INCLUDE}") from error


def _troubles(request: object) -> Iterator[str]:
    """What the system checks say, where it shows; and whether this page came by a server without sockets."""
    for each in (*settings_are_sound(), *sqlite_begins_immediate(), *the_project_around_is_whole()):
        yield f"{each.msg} {each.hint}"
    if isinstance(request, WSGIRequest):
        yield f"This page came through WSGI: its server serves no socket. {ASGI_SERVER}"
