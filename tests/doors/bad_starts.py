"""Starts that cannot be: what is asked, where the problem is placed, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

GOOD: dict[str, Any] = {"recipe": "hello", "params": {"version": "1.2"}}


@dataclass(frozen=True)
class BadStart:
    """What is asked besides GOOD, where the problem is placed, and words of its message and of its cure."""

    name: str
    place: str
    says: str
    cure: str
    given: dict[str, Any] = field(default_factory=dict)


def version(text: str, **more: str) -> dict[str, Any]:
    """Parameters."""
    return {"params": {"version": text, **more}}


STARTS = (
    BadStart("selector syntax", "selector", "at column 1", "zone=eu,us", {"selector": "zone=eu,,us"}),
    BadStart("empty selection", "selector", "none of 3 hosts", "fleet page", {"selector": "zone=moon"}),
    BadStart("parameter type", "parameters.players", "“ten”", "Correct", version("1.2", players="ten")),
    BadStart("parameter pattern", "parameters.version", "[0-9]+", "Correct", version("latest")),
    BadStart("parameter missing", "parameters.version", "required", "Give it a value", {"params": {}}),
    BadStart("wave syntax", "waves", "“x”", "rest", {"waves": "1, x"}),
    BadStart("waves that leave hosts over", "waves", "1 of 2 hosts", "rest", {"waves": "1"}),
    BadStart("parallel out of range", "parallel", "999", "from 1 to 200", {"parallel": 999}),
    BadStart("failure budget", "failure_budget", "“many”", "5%", {"failure_budget": "many"}),
)
