"""`{% load livefeed %}{% livefeed "report/7" %}`: a feed on a page, with no script of the page's own."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse

from livefeed.log import FeedState
from livefeed.pages import Page
from livefeed.words import WORDS

register = template.Library()


@register.inclusion_tag("livefeed/live_feed.html")
def livefeed(
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
        return reverse("livefeed:history").removesuffix("history")
    except NoReverseMatch as error:
        cure = 'Add path("", include("livefeed.urls")) to your URLs; the prefix is yours to choose.'
        raise ImproperlyConfigured(f"{{% livefeed %}} needs livefeed.urls. {cure}") from error
