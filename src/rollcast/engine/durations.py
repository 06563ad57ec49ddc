"""Durations as people write them: `30s`, `5m`, `1h30m`, `2.5s`, or a number of seconds."""

from __future__ import annotations

import math
import re
from typing import Final

_SHAPE: Final = re.compile(
    r"(?=\d)(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?", flags=re.ASCII
)
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?", flags=re.ASCII)


def parse_duration(value: object) -> float | None:
    """Seconds (finite, not negative), or None if `value` is no duration."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) and value >= 0 else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds = match.group("h", "m", "s")
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)


def format_duration(seconds: float) -> str:
    """The shortest spelling: `90` is `1m30s`, `0.5` is `0.5s`."""
    whole, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(whole), 60)
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", f"{rest:g}s" if rest else ""]
    return "".join(parts) or "0s"
