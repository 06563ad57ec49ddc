"""No hints at all: what is left is the workers' slow poll, which must be enough."""

from __future__ import annotations

from collections.abc import Callable


class MutedDispatcher:
    """Swallows every hint."""

    def hint(self, rollout_id: int) -> None:
        """Do nothing."""

    def listen(self, listener: Callable[[int], None]) -> Callable[[], None]:
        """Promise nothing; there is nothing to end either."""
        return _nothing


def _nothing() -> None:
    return None
