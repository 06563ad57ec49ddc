"""Rings within one process; other processes learn by the safety poll."""

from __future__ import annotations

from livefeed.doorbell import Listeners


class MemoryDoorbell(Listeners):
    """Whoever appends and whoever watches are one process, in whatever threads."""
