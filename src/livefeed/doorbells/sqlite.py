"""Rings between processes that share one SQLite file, with nothing else installed.

Within a process as in memory. Other processes are noticed by `PRAGMA data_version`, a number that changes
when another connection has committed: a thread asks it every DATA_VERSION_POLL_S on a connection of its own,
and only while somebody listens. It cannot tell which feed has grown, so it rings for all of them: a listener
then looks at its head, which costs it one short query.
"""

from __future__ import annotations

import logging
import threading

from django.db import DatabaseError, connection
from typing_extensions import override

from livefeed.conf import option
from livefeed.doorbell import Listeners

logger = logging.getLogger(__name__)

# After a failed look (file locked or gone) the safety poll of the readers is enough for a while.
PAUSE_AFTER_ERROR_S = 1.0


class SqliteDoorbell(Listeners):
    """In-process rings, and a look at the file for everybody else's."""

    def __init__(self) -> None:
        super().__init__()
        self._stop: threading.Event | None = None

    @override
    def listeners_changed(self, count: int) -> None:
        if count and self._stop is None:
            self._stop = threading.Event()
            threading.Thread(
                target=self._poll, args=[self._stop], name="livefeed-data-version", daemon=True
            ).start()
        elif not count and self._stop is not None:
            self._stop.set()
            self._stop = None

    def _poll(self, stop: threading.Event) -> None:
        seen: int | None = None
        pause = option("DATA_VERSION_POLL_S")
        try:
            while not stop.wait(pause):
                try:
                    version = _data_version()
                except DatabaseError:
                    logger.warning(
                        "PRAGMA data_version failed; watching goes on by the safety poll", exc_info=True
                    )
                    connection.close()
                    seen, pause = None, PAUSE_AFTER_ERROR_S
                    continue
                pause = option("DATA_VERSION_POLL_S")
                if version != seen:
                    seen = version
                    self.wake_all(None)
        finally:
            connection.close()


def _data_version() -> int:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA data_version")
        version: int = cursor.fetchall()[0][0]
    return version
