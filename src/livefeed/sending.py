"""What a shell does about a peer that has stopped reading."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class SendDeadline:
    """Gives up a send that blocks for `limit_s`: servers do not say that a peer has stopped reading.

    One timer for all sends of a peer: asyncio.timeout() makes one for each, a tenth of a message's cost.
    """

    def __init__(self, limit_s: float, give_up: Callable[[], object]) -> None:
        self.since: float | None = None  # when the send under way began, by time.monotonic()
        self._limit_s = limit_s
        self._give_up = give_up
        self._look_in(limit_s)

    def close(self) -> None:
        """No more sends."""
        self._timer.cancel()

    def _look(self) -> None:
        left = self._limit_s if self.since is None else self.since + self._limit_s - time.monotonic()
        if left > 0:
            self._look_in(left)
        else:
            self._give_up()

    def _look_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)
