"""The doorbell: a hint that a feed has grown.

PROMISE. None: a ring may be lost, doubled, late or for nothing. Whoever listens reads the log to learn what
is true, and looks at it every SAFETY_POLL_S even if nothing ever rings. A ring goes out after the commit,
never before (a listener would find nothing and go back to sleep), and can neither block nor fail the append.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Protocol

from django.db import transaction
from django.utils.module_loading import import_string
from typing_extensions import override

from livefeed.conf import option

# Called with the key of a feed that has grown, or None for "something has". From any thread; must not block.
Wake = Callable[[str | None], None]

logger = logging.getLogger(__name__)


class Doorbell(Protocol):
    """How those who append reach those who watch."""

    def ring(self, feed: str | None) -> None:
        """Say that this feed has changed, or with None that all have.

        Called after the commit, in the writer's thread; must not block.
        """

    def listen(self, wake: Wake) -> Callable[[], None]:
        """Call `wake` at each ring from now on; the answer stops it. The answer may be called twice."""


class Listeners(Doorbell):
    """Rings everybody who listens in this process: the base of every doorbell.

    A ring takes no lock, as it may come from a signal handler that interrupts whoever holds one: `_wakes` is
    replaced and never changed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wakes: Mapping[object, Wake] = {}

    @override
    def ring(self, feed: str | None) -> None:
        self.wake_all(feed)

    @override
    def listen(self, wake: Wake) -> Callable[[], None]:
        token = object()
        with self._lock:
            self._wakes = {**self._wakes, token: wake}
            self.listeners_changed(len(self._wakes))
        return partial(self._forget, token)

    def wake_all(self, feed: str | None) -> None:
        """Pass a ring on; a listener that fails harms no other."""
        for wake in self._wakes.values():
            try:
                wake(feed)
            except Exception:
                logger.exception("a listener failed at the ring of %s", feed)

    def listeners_changed(self, count: int) -> None:
        """Called under the lock whenever somebody came or went."""

    def _forget(self, token: object) -> None:
        with self._lock:
            if token in self._wakes:
                self._wakes = {other: wake for other, wake in self._wakes.items() if other is not token}
                self.listeners_changed(len(self._wakes))


@cache
def _doorbell(path: str) -> Doorbell:
    made: Doorbell = import_string(path)()
    return made


def doorbell() -> Doorbell:
    """The doorbell that LIVEFEED["DOORBELL"] names: one object per process."""
    return _doorbell(option("DOORBELL"))


def ring_after_commit(feed: str | None) -> None:
    """Ring once the current transaction is committed; never, if it is rolled back."""

    def ring() -> None:  # a function, not a partial: Django wants its name to log a failure
        doorbell().ring(feed)

    transaction.on_commit(ring, robust=True)
