"""The livefeed way: the work appends its lines to a feed in the database, and a page is a cursor into that.

Neither knows of the other. The work goes on without a page, and a page that was cut, reloaded or opened
tomorrow goes on after the last line it has.
"""

from __future__ import annotations

import secrets
import threading
import time
from typing import Any

from django.db import connection

from livefeed import Chunk, append, close, head, read
from ver_update.update import PAUSE_S, TOTAL, result


def may_read(user: Any, feed: str) -> bool:
    """LIVEFEED["MAY_READ"]: asked at every subscription. Here everybody reads their own updates."""
    return feed.startswith(f"update/{user.pk}/")


def start(user_pk: int) -> dict[str, Any]:
    """Start an update; the answer is its feed and the cursor at which a page begins: {epoch, after}."""
    feed = f"update/{user_pk}/{secrets.token_hex(4)}"
    append(feed, [Chunk(lane="update", kind="started", items=[TOTAL])])
    threading.Thread(target=_carry_out, args=[feed], daemon=True).start()
    return {"feed": feed, "epoch": head(feed).epoch, "after": 0}


def _carry_out(feed: str) -> None:
    """In a thread; in a real project this is a worker process or a Celery task, with the same two calls."""
    try:
        for number in range(1, TOTAL + 1):
            time.sleep(PAUSE_S)  # noqa: TID251 (stands for the work; a thread may block)
            append(feed, [Chunk(lane="update", kind="line", items=[result(number)])])
        close(feed)
    finally:
        connection.close()  # Django closes connections after a request; a thread does it itself


def stored(feed: str) -> dict[str, Any]:
    """What is stored by now, for a page that is rendered, and the cursor at which its script goes on."""
    page = read(feed)
    lines = [
        line for _lane, kind, _origin, _at, _first, items in page.groups if kind == "line" for line in items
    ]
    return {"feed": feed, "lines": lines, "epoch": page.epoch, "after": page.to}
