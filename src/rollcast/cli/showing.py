"""`rollout show`: one rollout as a table of its hosts, and a sentence for each that needs one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rollcast.cli.said import print_table, result, shown, time_of_day

if TYPE_CHECKING:
    from rollcast.engine.problems import Problem


def print_rollout(page: Mapping[str, Any], troubles: Mapping[str, Problem | None]) -> None:
    """Print the page's snapshot; `troubles` by host name."""
    rollout, n_steps = page["rollout"], len(page["steps"])
    reason = f" ({rollout['reason']})" if rollout["reason"] else ""
    state = result(rollout["state"], (target["state"] for target in page["targets"]))
    print(f"rollout {rollout['id']}: {rollout['title']}, {state}{reason}")
    print_table(
        ("HOST", "WAVE", "STATE", "STEP", "OUTPUT", "REASON"),
        (
            (
                target["name"],
                target["wave"] + 1,
                target["state"],
                f"{min(target['step_index'] + 1, n_steps)}/{n_steps}",
                account(target["steps"]),
                _why(target),
            )
            for target in page["targets"]
        ),
    )
    for target in page["targets"]:
        for line in _sentences(target, troubles[target["name"]]):
            print(line)


def _why(target: Mapping[str, Any]) -> str:
    """The reason of its state, what was seen of a step that was to be cancelled, since when it is lost."""
    evidence = target["steps"][-1]["stop_evidence"] if target["steps"] else ""
    since = f"since {time_of_day(target['since_ms'])}" if target["state"] == "lost" else ""
    return " ".join(part for part in (target["reason"], evidence, since) if part)


def account(runs: list[dict[str, Any]]) -> str:
    """`1234 bytes ✓`: what the host wrote, and that all of it is stored, by count and digest; ✗ if not."""
    known = [run for run in runs if run["journal_same"] is not None]
    if not known:
        return ""
    same = all(run["journal_same"] for run in known)
    return f"{sum(run['journal_bytes'] for run in known)} bytes {'✓' if same else '✗'}"


def _sentences(target: Mapping[str, Any], trouble: Problem | None) -> Iterator[str]:
    latest = target["steps"][-1] if target["steps"] else None
    evidence = latest["stop_evidence"] if latest else ""
    if trouble:
        yield f"{trouble.message} {trouble.cure_text}"
    detail = target["detail"] or (latest["detail"] if latest and evidence else "")
    if detail:
        yield ("  " if trouble else f"{target['name']}: ") + shown(detail, colour=False)
    if latest and latest["accepted_by"]:
        said = f"{evidence}, accepted by {latest['accepted_by']}: {latest['accepted_reason']}"
        yield f"{target['name']}: {shown(said, colour=False)}"
