"""A rollout page in Python: the snapshot, and the feed's events applied to it as docs/protocol.md says."""

from __future__ import annotations

import copy
from typing import Any

import livefeed

ENDS = {"succeeded", "failed", "cancelled"}


def events_after(key: str, after: int) -> list[tuple[str, int, Any]]:
    """All events behind the cursor: (kind, time in ms, data)."""
    found: list[tuple[str, int, Any]] = []
    while True:
        page = livefeed.read(key, after=after)
        for _lane, kind, _origin, at_ms, _first, items in page.groups:
            found += [(kind, at_ms, item) for item in items]
        if page.to >= page.head:
            return found
        after = page.to


def applied(page: dict[str, Any], events: list[tuple[str, int, Any]]) -> dict[str, Any]:
    """The page after the events. Events that are older than the row (by its version) are dropped."""
    after = copy.deepcopy(page)
    targets = {target["id"]: target for target in after["targets"]}
    for kind, at_ms, data in events:
        if kind == "rollout.state":
            _apply_rollout(after["rollout"], data, at_ms)
        elif kind == "target.state":
            _apply_target(targets[data["target"]], data)
        elif kind == "step.state":
            _apply_step(targets[data["target"]]["steps"], data)
    return after


def _apply_rollout(row: dict[str, Any], data: dict[str, Any], at_ms: int) -> None:
    if data["version"] <= row["version"]:
        return
    row.update(data)
    if row["started_at_ms"] is None and data["state"] != "pending":
        row["started_at_ms"] = at_ms
    if data["state"] not in ENDS:
        row["ended_at_ms"] = None
    elif row["ended_at_ms"] is None:
        row["ended_at_ms"] = at_ms


def _apply_target(row: dict[str, Any], data: dict[str, Any]) -> None:
    if data["version"] > row["version"]:
        row.update({name: value for name, value in data.items() if name != "target"})


def _apply_step(steps: list[dict[str, Any]], data: dict[str, Any]) -> None:
    run = {name: value for name, value in data.items() if name != "target"}
    key = (run["step"], run["attempt"])
    for number, known in enumerate(steps):
        if (known["step"], known["attempt"]) == key:
            if run["version"] > known["version"]:
                steps[number] = run
            return
    steps.append(run)
    steps.sort(key=lambda step: (step["step"], step["attempt"]))
