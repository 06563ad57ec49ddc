"""Holds threads at a point until a test lets them go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Barrier:
    """Stops a thread at a call until the test lets it go on."""

    def __init__(self) -> None:
        self.reached, self._go_on = threading.Event(), threading.Event()

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, held up before it begins."""

        def held(*args: Any) -> Any:
            self.hold()
            return call(*args)

        return held

    def after(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, held up once it has its answer."""

        def held(*args: Any) -> Any:
            answer = call(*args)
            self.hold()
            return answer

        return held

    def lift(self) -> None:
        """Let everybody go on, for ever."""
        self._go_on.set()

    def hold(self) -> None:
        """Wait here, in a thread, until the barrier is lifted."""
        self.reached.set()
        assert self._go_on.wait(10)
