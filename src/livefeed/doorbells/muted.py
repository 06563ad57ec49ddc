"""Never rings: what is left is the safety poll, which alone must be enough. For tests."""

from __future__ import annotations

from collections.abc import Callable

from typing_extensions import override

from livefeed.doorbell import Doorbell, Wake


class MutedDoorbell(Doorbell):
    """All hints lost."""

    @override
    def ring(self, feed: str | None) -> None:
        return None

    @override
    def listen(self, wake: Wake) -> Callable[[], None]:
        return lambda: None
