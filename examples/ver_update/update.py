"""The long update: ten results with a pause before each. Both ways send the same ones."""

from __future__ import annotations

import os

TOTAL = 10
# How long the work for one result takes. In seconds.
PAUSE_S = float(os.environ.get("VER_UPDATE_PAUSE_S", "1"))


def result(number: int) -> str:
    """The line that result `number` (from 1) brings."""
    return f"结果 {number}/{TOTAL}: server-{number:02} is up to date"
