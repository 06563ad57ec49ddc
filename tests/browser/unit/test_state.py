"""The rows in the page: an older snapshot plus the events equals a newer snapshot."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

APPLY = """async ([snapshot, events]) => {
  const { RolloutModel } = await import("/static/console/js/rollout/state.js");
  const model = new RolloutModel(snapshot);
  const changes = events.map((event) => model.apply(event)?.what ?? null);
  return { snapshot: model.toSnapshot(), changes };
}"""
ASK = """async ([snapshot, question]) => {
  const { RolloutModel, possibleVerbs } = await import("/static/console/js/rollout/state.js");
  const model = new RolloutModel(snapshot);
  if (question === "verbs") return possibleVerbs(model);
  return { counts: model.counts(), waves: model.waves.map(({ no }) => model.wave(no)) };
}"""


def snapshot_of(hosts: int = 6, steps: int = 3) -> dict[str, Any]:
    """A rollout that has just been created, in waves of two hosts."""
    rollout = {"id": 1, "title": "t", "state": "pending", "wanted": "run", "reason": "", "version": 1}
    rollout |= {"created_at_ms": 1, "started_at_ms": None, "ended_at_ms": None}
    targets = [
        {
            "id": n,
            "lane": f"t{n}",
            "name": f"h{n}",
            "address": "",
            "wave": (n - 1) // 2,
            "state": "pending",
            "since_ms": 1,
        }
        | {"step_index": 0, "reason": "", "detail": "", "version": 1, "steps": []}
        for n in range(1, hosts + 1)
    ]
    return {
        "feed": {"key": "rollout/1", "epoch": "e", "head": 0, "closed": False},
        "rollout": rollout,
        "steps": [{"index": n, "name": f"step {n}", "kind": "run"} for n in range(steps)],
        "waves": [{"no": n, "n": 2} for n in range(hosts // 2)],
        "targets": targets,
    }


class Server:
    """Rows that change at random, each change with its event: what the page's rows are held against."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.rows = snapshot_of()
        self.events: list[dict[str, Any]] = []
        self.snapshots = [copy.deepcopy(self.rows)]

    def change(self) -> None:
        at = 1000 + len(self.events)
        target = self.chance.choice(self.rows["targets"])
        self.chance.choice([self._rollout, self._target, self._target, self._step, self._step])(at, target)
        self.snapshots.append(copy.deepcopy(self.rows))

    def _rollout(self, at: int, _: dict[str, Any]) -> None:
        row = self.rows["rollout"]
        state = self.chance.choice(["running", "paused", "succeeded", "failed"])
        row |= {"state": state, "wanted": self.chance.choice(["run", "pause"]), "version": row["version"] + 1}
        row["started_at_ms"] = row["started_at_ms"] or at
        row["ended_at_ms"] = (row["ended_at_ms"] or at) if state in {"succeeded", "failed"} else None
        self._event(
            "rollout",
            "rollout.state",
            at,
            {name: row[name] for name in ("state", "wanted", "version", "reason")},
        )

    def _target(self, at: int, target: dict[str, Any]) -> None:
        state = self.chance.choice(["running", "lost", "failed", "succeeded"])
        target |= {"state": state, "since_ms": at, "reason": self.chance.choice(["", "interrupted"])}
        target |= {"step_index": self.chance.randrange(3), "version": target["version"] + 1}
        target["detail"] = self.chance.choice(["", "no room"])
        told = ("state", "since_ms", "reason", "detail", "step_index", "version")
        data = {name: target[name] for name in told}
        self._event(target["lane"], "target.state", at, data | {"target": target["id"]})

    def _step(self, at: int, target: dict[str, Any]) -> None:
        step, attempt = self.chance.randrange(3), self.chance.randrange(1, 3)
        run = next((r for r in target["steps"] if (r["step"], r["attempt"]) == (step, attempt)), None)
        if run is None:
            run = {"step": step, "attempt": attempt, "version": 0}
            target["steps"].append(run)
            target["steps"].sort(key=lambda one: (one["step"], one["attempt"]))
        run |= {
            "state": self.chance.choice(["running", "failed", "succeeded"]),
            "version": run["version"] + 1,
        }
        run |= {
            "exit_code": self.chance.choice([None, 0, 3]),
            "reason": "",
            "detail": self.chance.choice(["", "no room"]),
            "journal_bytes": at,
            "stop_evidence": "",
        }
        self._event(target["lane"], "step.state", at, run | {"target": target["id"]})

    def _event(self, lane: str, kind: str, at: int, data: dict[str, Any]) -> None:
        self.events.append({"lane": lane, "kind": kind, "origin": None, "at": at, "data": dict(data)})


@pytest.mark.parametrize("seed", range(5))
def test_any_snapshot_with_all_events_from_the_first_equals_the_newest_snapshot(
    page: Page, seed: int
) -> None:
    server = Server(seed)
    for _ in range(120):
        server.change()
    for age in (0, 1, 37, 119, 120):
        got = page.evaluate(APPLY, [server.snapshots[age], server.events])
        assert got["snapshot"] == server.snapshots[-1], f"from the snapshot after {age} events"
        assert got["changes"][:age] == [None] * age


def test_a_remark_in_the_log_says_what_the_host_said_of_a_failure(page: Page) -> None:
    run = {"target": 1, "step": 0, "attempt": 1, "state": "failed", "exit_code": None, "stop_evidence": ""}
    texts = page.evaluate(
        """async ([run, target]) => {
          const { Notes } = await import("/static/console/js/rollout/notes.js");
          const notes = new Notes([{ index: 0, name: "bring" }]);
          return [notes.of("step.state", run), notes.of("target.state", target)].map((note) => note.text);
        }""",
        [
            run | {"reason": "runner", "detail": "h1: cannot make a folder"},
            {"target": 2, "state": "failed", "reason": "auth_failed", "detail": "no such key file"},
        ],
    )
    assert [text.rpartition(" · ")[2] for text in texts] == ["h1: cannot make a folder", "no such key file"]


def test_a_remark_in_the_log_says_who_went_on_for_whom(page: Page) -> None:
    said = page.evaluate(
        """async (data) => {
          const { Notes } = await import("/static/console/js/rollout/notes.js");
          return new Notes([]).of("target.taken_over", data);
        }""",
        {"target": 1, "by": "web-2-42-1f", "before": "web-1-17-9c", "silent_since_ms": 0},
    )
    since = page.evaluate("() => new Date(0).toTimeString().slice(0, 8)")
    assert said == {
        "text": f"● worker web-1-17-9c was silent since {since}; web-2-42-1f goes on where it stopped",
        "alarm": False,
    }


def test_foreign_and_unknown_events_change_nothing(page: Page) -> None:
    before = snapshot_of()
    events = [
        {
            "lane": "t99",
            "kind": "target.state",
            "at": 1,
            "data": {"target": 99, "state": "failed", "version": 9},
        },
        {"lane": "t1", "kind": "step.state", "at": 1, "data": {"target": 77, "version": 9}},
        {"lane": "t1", "kind": "of.a.later.version", "at": 1, "data": {"target": 1}},
        {"lane": "t1", "kind": "upload.progress", "at": 1, "data": None},
    ]
    got = page.evaluate(APPLY, [before, events])
    assert got == {"snapshot": before, "changes": [None] * 4}


@pytest.mark.parametrize(
    ("state", "wanted", "target", "verbs"),
    [
        ("pending", "run", ("pending", ""), {"pause", "cancel"}),
        ("running", "run", ("running", ""), {"pause", "cancel"}),
        ("running", "run", ("running", "interrupted"), {"pause", "cancel", "retry"}),
        ("running", "run", ("running", "recipe_unreadable"), {"pause", "cancel"}),
        ("running", "pause", ("running", ""), {"resume", "cancel"}),
        ("paused", "pause", ("failed", "exit 1"), {"resume", "cancel", "retry"}),
        ("cancelling", "cancel", ("cancelling", ""), set()),
        ("succeeded", "run", ("failed", "exit 1"), {"retry"}),
        ("succeeded", "run", ("succeeded", ""), set()),
        ("failed", "run", ("skipped", "budget_exceeded"), {"retry"}),
        ("cancelled", "cancel", ("failed", "exit 1"), set()),
    ],
)
def test_verbs_are_offered_where_they_make_sense(
    page: Page, state: str, wanted: str, target: tuple[str, str], verbs: set[str]
) -> None:
    snapshot = snapshot_of(hosts=2)
    snapshot["rollout"] |= {"state": state, "wanted": wanted}
    for one in snapshot["targets"]:
        one |= {"state": target[0], "reason": target[1]}
    offered = page.evaluate(ASK, [snapshot, "verbs"])
    assert {verb for verb, possible in offered.items() if possible} == verbs


def test_counts_and_waves_say_what_is_shown(page: Page) -> None:
    snapshot = snapshot_of()
    states = [
        ("succeeded", ""),
        ("failed", "exit 1"),
        ("running", "interrupted"),
        ("running", ""),
        ("running", "recipe_unreadable"),
        ("pending", ""),
    ]
    for target, (state, reason) in zip(snapshot["targets"], states, strict=True):
        target |= {"state": state, "reason": reason}
    got = page.evaluate(ASK, [snapshot, "figures"])
    assert got["counts"] == {"succeeded": 1, "failed": 1, "waiting": 2, "running": 1, "pending": 1}
    assert got["waves"] == [
        {"n": 2, "done": 2, "failed": 1, "state": "failed"},
        {"n": 2, "done": 0, "failed": 0, "state": "waiting"},
        {"n": 2, "done": 0, "failed": 0, "state": "waiting"},
    ]
