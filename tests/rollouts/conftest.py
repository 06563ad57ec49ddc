"""A fleet of rows and a worker's hand without a worker; every rollout is checked for "snapshot + events"."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import livefeed
from rollcast.engine.states import STEP_BUSY, TARGET_ACTIVE, StepState, TargetState
from rollcast.fleet.models import Host
from rollcast.rollouts import actions, keys, leases, queries
from rollcast.rollouts.actions import StartRequest, StepChange, TargetChange
from rollcast.worker.conduct import conduct
from tests.rollouts.applying import applied, events_after

TWO_STEPS = (
    "name: update\ntitle: Update\nsteps:\n- name: one\n  run: echo one\n- name: two\n  run: echo two\n"
)


@dataclass
class Desk:
    """Where a test starts rollouts and plays their worker; `now` is the clock of all leases."""

    folder: Path
    now: float = 1000.0
    worker: int = 0

    def recipe(self, text: str = TWO_STEPS, name: str = "update") -> None:
        """Write a recipe file."""
        (self.folder / "recipes" / f"{name}.yml").write_text(text)

    def hosts(self, *names: str) -> None:
        """Hosts in the fleet."""
        for name in names:
            Host.objects.create(name=name, address="192.0.2.1", labels={"zone": name[:2]})

    def start(self, **asked: Any) -> int:
        """Start a rollout of `update`."""
        asked.setdefault("recipe", "update")
        return actions.start_rollout(StartRequest(**asked), "user:olga")

    def conduct(self, rollout_id: int) -> None:
        """Decide as often as there is something to decide."""
        leases.beat(self.worker, self.now)
        leases.claim_rollouts(self.worker, self.now, 100)
        for held in leases.held_rollouts(self.worker):
            if held.id == rollout_id:
                while conduct(held, self.now):
                    pass
        leases.claim_targets(self.worker, self.now, 100)

    def fence(self, target_id: int) -> int:
        """The fence under which this desk's worker holds the target."""
        held = queries.targets_of_worker(self.worker, TARGET_ACTIVE)
        return next(target.fence for target in held if target.id == target_id)

    def begin(self, target_id: int, step: int, attempt: int = 1) -> bool:
        """Begin a step."""
        return actions.begin_step(target_id, self.fence(target_id), step, attempt)

    def end_step(self, target_id: int, step: int, state: StepState, attempt: int = 1, **fields: Any) -> bool:
        """A busy step run ends."""
        change = StepChange(target_id, self.fence(target_id), step, attempt, STEP_BUSY, state, fields)
        return actions.record([change])[0]

    def end_target(self, target_id: int, state: TargetState, reason: str = "") -> bool:
        """A running target ends."""
        old = frozenset({TargetState.RUNNING, TargetState.CANCELLING})
        return actions.record([TargetChange(target_id, self.fence(target_id), old, state, reason)])[0]

    def wait_for_person(self, target_id: int) -> bool:
        """The target's worker lets it wait for a person."""
        old = frozenset({TargetState.RUNNING})
        change = TargetChange(target_id, self.fence(target_id), old, TargetState.RUNNING, "interrupted")
        return actions.record([change])[0]

    def fail(self, target_id: int) -> None:
        """The target fails at its first step."""
        assert self.begin(target_id, 0)
        assert self.end_step(target_id, 0, StepState.FAILED, exit_code=3, reason="exit 3")
        assert self.end_target(target_id, TargetState.FAILED, "exit 3")

    def succeed(self, target_id: int) -> None:
        """The target succeeds at both steps."""
        for step in (0, 1):
            assert self.begin(target_id, step)
            assert self.end_step(target_id, step, StepState.SUCCEEDED, exit_code=0)
        assert self.end_target(target_id, TargetState.SUCCEEDED)

    def page(self, rollout_id: int) -> dict[str, Any]:
        """The rollout as its page has it."""
        return queries.rollout_page(rollout_id)

    def targets(self, rollout_id: int) -> dict[str, int]:
        """Host name → id of its target."""
        return {target["name"]: target["id"] for target in self.page(rollout_id)["targets"]}

    def states(self, rollout_id: int) -> dict[str, str]:
        """Host name → target state."""
        return {target["name"]: target["state"] for target in self.page(rollout_id)["targets"]}


class Watched:
    """Takes a page at every start of a rollout, and compares at the end: old page + events == new page."""

    def __init__(self) -> None:
        self.pages: list[dict[str, Any]] = []

    def look(self, rollout_id: int) -> None:
        """Remember the page as it is now."""
        self.pages.append(queries.rollout_page(rollout_id))

    def compare(self) -> None:
        """Every remembered page, brought forward by the events behind its head, is the page of today."""
        for old in self.pages:
            if livefeed.head(old["feed"]["key"]).first > old["feed"]["head"] + 1:
                continue  # pruned since: a page is loaded anew then
            fresh = queries.rollout_page(old["rollout"]["id"])
            told = applied(old, events_after(old["feed"]["key"], old["feed"]["head"]))
            told["feed"] = fresh["feed"]  # the head is what the cursor is
            assert told == fresh


@pytest.fixture
def desk(db: None, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk with folders and a worker's lease; each of its rollouts is watched from its start on."""
    for name in ("recipes", "files"):
        (tmp_path / name).mkdir()
    settings.ROLLCAST = {
        **settings.ROLLCAST,
        "RECIPES": str(tmp_path / "recipes"),
        "FILES": str(tmp_path / "files"),
        "LEASE_TRUST_S": 10.0,
    }
    made = Desk(tmp_path)
    made.worker = leases.register("desk", made.now, {})
    watched = Watched()
    for verb in (
        "start_rollout",
        "pause_rollout",
        "resume_rollout",
        "cancel_rollout",
        "accept_rollout",
        "retry_rollout",
    ):
        _watch(monkeypatch, watched, verb)
    made.recipe()
    yield made
    watched.compare()


def _watch(monkeypatch: pytest.MonkeyPatch, watched: Watched, verb: str) -> None:
    """Take a page after each start and before each other verb."""
    plain = getattr(actions, verb)

    def start_and_look(*args: Any) -> Any:
        rollout_id = plain(*args)
        watched.look(rollout_id)
        return rollout_id

    def look_and_act(rollout_id: int, *args: Any) -> Any:
        with contextlib.suppress(LookupError):  # a test of what happens without such a rollout
            watched.look(rollout_id)
        return plain(rollout_id, *args)

    verb_and_look = start_and_look if verb == "start_rollout" else look_and_act
    monkeypatch.setattr(actions, verb, verb_and_look)


@pytest.fixture
def feed_of() -> Any:
    """The events of a rollout: kind and data."""

    def events(rollout_id: int, after: int = 0) -> list[tuple[str, Any]]:
        return [(kind, data) for kind, _, data in events_after(keys.feed_key(rollout_id), after)]

    return events
