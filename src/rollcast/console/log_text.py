"""A rollout's stored lines as plain text, for `log.txt`: read page by page, so that size costs no memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

import livefeed
from rollcast.engine import events
from rollcast.rollouts import queries

PAGE_EVENTS: Final = 2000
BLOCK_LINES: Final = 1000


def log_lines(rollout_id: int, target: str = "") -> Iterator[str]:
    """`2026-11-23T12:00:00.123Z bj-01 s3/a1 text` per line, in the order of the feed; LookupError at once.

    `target` is a host's name. The pieces of a line are joined; the time is that of its end.
    """
    page = queries.rollout_page(rollout_id)
    names = {row["lane"]: row["name"] for row in page["targets"]}
    if target and target not in names.values():
        raise LookupError(f"there is no target {target} in rollout {rollout_id}")
    lane = next((lane for lane, name in names.items() if name == target), None)
    return _lines(page["feed"]["key"], lane, names)


def streamed(request: HttpRequest, lines: Iterator[str]) -> Iterator[str] | AsyncIterator[str]:
    """`lines` in blocks, as the server at hand can send them without gathering all of them first."""
    blocks = iter(lambda: "".join(islice(lines, BLOCK_LINES)), "")
    return _one_by_one(blocks) if isinstance(request, ASGIRequest) else blocks


async def _one_by_one(blocks: Iterator[str]) -> AsyncIterator[str]:
    while block := await sync_to_async(lambda: next(blocks, ""))():
        yield block


def _lines(feed: str, lane: str | None, names: dict[str, str]) -> Iterator[str]:
    begun: dict[str, str] = {}  # origin -> pieces of a line whose end has not come yet
    after = 0
    while True:
        page = livefeed.read(feed, after=after, limit=PAGE_EVENTS, lane=lane)
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
    for origin, text in begun.items():
        yield _line(None, names[origin.partition("/")[0]], origin, text)


def _line(at_ms: int | None, name: str, origin: str, text: str) -> str:
    at = "" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return f"{at.replace('+00:00', 'Z') or '-'} {name} {origin.partition('/')[2]} {text}\n"


def _text(item: Any) -> str:
    return item if isinstance(item, str) else str(item["text"])
