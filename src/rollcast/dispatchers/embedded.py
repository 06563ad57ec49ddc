"""Hints within one process: the worker runs in a thread beside the web server."""

from __future__ import annotations

import threading
from collections.abc import Callable


class EmbeddedDispatcher:
    """Calls the listeners of its own process. Other processes hear nothing and poll."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[object, Callable[[int], None]] = {}

    def hint(self, rollout_id: int) -> None:
        """Call every listener; each must only set something and return."""
        with self._lock:
            listeners = list(self._listeners.values())
        for listener in listeners:
            listener(rollout_id)

    def listen(self, listener: Callable[[int], None]) -> Callable[[], None]:
        """Add a listener; answers the call that takes it away, which may be called twice."""
        token = object()
        with self._lock:
            self._listeners[token] = listener

        def end() -> None:
            with self._lock:
                self._listeners.pop(token, None)

        return end
