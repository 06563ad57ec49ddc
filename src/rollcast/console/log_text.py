"""A rollout's stored lines as plain text, for `log.txt`: read page by page, so that size costs no memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.utils.translation import get_language, ngettext, override

import livefeed
from rollcast.engine import events
from rollcast.rollouts import queries

PAGE_EVENTS: Final = 2000
BLOCK_LINES: Final = 1000


def log_lines(rollout_id: int, target: str = "") -> Iterator[str]:
    """`2026-11-23T12:00:00.123Z bj-01 s3/a1 text` per line, in the order of the feed; LookupError at once.

    `target` is a host's name. The pieces of a line are joined; the time is that of its end. Where events are
    no longer kept, a line that begins with # says how many, of all hosts.
    """
    page = queries.rollout_page(rollout_id)
    names = {row["lane"]: row["name"] for row in page["targets"]}
    if target and target not in names.values():
        raise LookupError(f"there is no target {target} in rollout {rollout_id}")
    lane = next((lane for lane, name in names.items() if name == target), None)
    return _lines(page["feed"]["key"], lane, names, get_language())


def streamed(request: HttpRequest, lines: Iterator[str]) -> Iterator[str] | AsyncIterator[str]:
    """`lines` in blocks, as the server at hand can send them without gathering all of them first."""
    blocks = iter(lambda: "".join(islice(lines, BLOCK_LINES)), "")
    return _one_by_one(blocks) if isinstance(request, ASGIRequest) else blocks


async def _one_by_one(blocks: Iterator[str]) -> AsyncIterator[str]:
    while block := await sync_to_async(lambda: next(blocks, ""))():
        yield block


def _lines(feed: str, lane: str | None, names: dict[str, str], language: str | None) -> Iterator[str]:
    begun: dict[str, str] = {}  # origin -> pieces of a line whose end has not come yet
    after = 0
    while True:
        try:
            page = livefeed.read(feed, after=after, limit=PAGE_EVENTS, lane=lane)
        except livefeed.EventsPruned as pruned:
            yield from _unfinished(begun, names)
            yield _missing(pruned.first - 1 - after, language)
            after = pruned.first - 1
            continue
        for lane_key, kind, origin, at_ms, _first, items in page.groups:
            if kind not in (events.LINE, events.CONT) or origin is None:
                continue
            for item in items:
                text = begun.pop(origin, "") + _text(item)
                if kind == events.CONT:
                    begun[origin] = text
                else:
                    yield _line(at_ms, names[lane_key], origin, text)
        if page.to == page.prev:
            break
        after = page.to
    yield from _unfinished(begun, names)


def _unfinished(begun: dict[str, str], names: dict[str, str]) -> Iterator[str]:
    """The lines whose end did not come, which are then forgotten."""
    while begun:
        origin, text = begun.popitem()
        yield _line(None, names[origin.partition("/")[0]], origin, text)


def _missing(n: int, language: str | None) -> str:
    with override(language):  # lines are read while they are sent, when the request's own is over
        said = ngettext("%(n)s older event is no longer kept", "%(n)s older events are no longer kept", n)
    return f"# {said % {'n': n}}\n"


def _line(at_ms: int | None, name: str, origin: str, text: str) -> str:
    at = "" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return f"{at.replace('+00:00', 'Z') or '-'} {name} {origin.partition('/')[2]} {text}\n"


def _text(item: Any) -> str:
    return item if isinstance(item, str) else str(item["text"])
