"""The rows and hosts of the simulation: what is stored, what hosts answer, and the promises about both.

Every change of a row is a compare-and-set and a legal move, as `rollouts.actions` does it; hosts answer as
the runner does. `Rows.check` holds the promises of `engine.decide`'s header after every step.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from rollcast.engine.decide import Command, MoveRollout, Snapshot, StepRunView, TargetView
from rollcast.engine.recipe import Rerun, Step
from rollcast.engine.states import (
    ROLLOUT_ENDS,
    ROLLOUT_MOVES,
    STEP_BUSY,
    STEP_MOVES,
    TARGET_ACTIVE,
    TARGET_ENDS,
    TARGET_MOVES,
    RolloutState,
    StepState,
    StopEvidence,
    TargetState,
    Wanted,
)

FolderState = Literal["sealed", "alive", "ended", "interrupted"]


class BrokenPromise(AssertionError):
    """The engine, or the world around it, did what it must not do."""


@dataclass
class Folder:
    """What the runner keeps on a host for one attempt of one step."""

    state: FolderState
    code: int = 0


@dataclass
class Host:
    """One host: answers as the runner does."""

    reachable: bool = True
    folders: dict[tuple[int, int], Folder] = field(default_factory=dict)
    executed: list[tuple[int, int]] = field(default_factory=list)

    @property
    def alive(self) -> list[tuple[int, int]]:
        return [key for key, folder in self.folders.items() if folder.state == "alive"]

    def start(self, key: tuple[int, int]) -> str:
        if key in self.folders:
            return self.folders[key].state
        self.folders[key] = Folder("alive")
        self.executed.append(key)
        return "started"

    def seal(self, key: tuple[int, int]) -> str:
        if key not in self.folders:
            self.folders[key] = Folder("sealed")
        return "sealed" if self.folders[key].state == "sealed" else "taken"

    def look(self, key: tuple[int, int]) -> Folder | None:
        return self.folders.get(key)

    def stop(self, key: tuple[int, int]) -> str:
        if self.seal(key) == "taken" and self.folders[key].state == "alive":
            self.folders[key] = Folder("ended", 143)
        return "stopped"

    def restart(self) -> None:
        for key in self.alive:
            self.folders[key] = Folder("interrupted")


@dataclass
class StepRow:
    state: StepState
    reason: str = ""
    retried: bool = False
    evidence: StopEvidence | None = None


@dataclass
class TargetRow:
    id: int
    name: str
    wave: int
    state: TargetState = TargetState.PENDING
    step_index: int = 0
    reason: str = ""
    fence: int = 0
    worker: str = ""
    runs: dict[tuple[int, int], StepRow] = field(default_factory=dict)

    def view(self) -> TargetView:
        attempts = [attempt for step, attempt in self.runs if step == self.step_index]
        latest = None
        if attempts:
            row = self.runs[self.step_index, max(attempts)]
            latest = StepRunView(
                self.step_index, max(attempts), row.state, row.reason, row.retried, row.evidence
            )
        return TargetView(self.id, self.name, self.wave, self.state, self.step_index, self.reason, latest)


class Rows:
    """One rollout over some hosts, made up by the random numbers."""

    def __init__(self, rng: random.Random) -> None:
        self.now = 0.0
        reruns = [rng.choice(list(Rerun)) for _ in range(rng.randint(1, 3))]
        self.steps = [Step(str(i), "run", 60, rerun, "true") for i, rerun in enumerate(reruns)]
        self.parallel = rng.randint(1, 4)
        self.limit = rng.choice([0, 1, 2, 8])
        self.state = RolloutState.PENDING
        self.wanted = Wanted.RUN
        n = rng.randint(1, 7)
        self.targets = [TargetRow(i, f"h{i}", wave=i * 3 // n + 1) for i in range(n)]
        self.hosts = [Host() for _ in self.targets]
        self.granted: set[tuple[int, int, int]] = set()
        self.accepted: set[int] = set()
        self.trace: list[str] = []

    def snapshot(self) -> Snapshot:
        views = tuple(target.view() for target in self.targets)
        return Snapshot(self.state, self.wanted, self.parallel, self.limit, views)

    def carry_out(self, commands: Iterable[Command]) -> None:
        """One transaction: what was decided on these very rows."""
        for command in commands:
            if isinstance(command, MoveRollout):
                self.move_rollout(command.state, command.reason)
                continue
            target = self.targets[command.target_id]
            self.must(target.state is command.old, f"{command} but {target.state}")
            if command.new is TargetState.RUNNING:
                self._may_be_set_going(target)
            self.move_target(target, command.new, command.reason)

    def _may_be_set_going(self, target: TargetRow) -> None:
        failed = sum(other.state is TargetState.FAILED for other in self.targets)
        self.must(failed <= self.limit, f"{target.name} set going after the budget was exceeded")
        self.must(self.wanted is Wanted.RUN, f"{target.name} set going while {self.wanted} is wanted")
        earlier = [
            other for other in self.targets if other.wave < target.wave and other.state not in TARGET_ENDS
        ]
        self.must(not earlier, f"{target.name} set going before an earlier wave has ended")

    # -- rows: every change is a compare-and-set -------------------------------------------------------------

    def begin_step(self, target: TargetRow, fence: int, step: int, attempt: int) -> bool:
        held = target.fence == fence and target.state is TargetState.RUNNING
        if not held or self.wanted is not Wanted.RUN or (step, attempt) in target.runs:
            return False
        busy = [key for key, row in target.runs.items() if row.state in STEP_BUSY]
        self.must(not busy, f"{target.name} begins {step}/{attempt} while {busy} may be running")
        target.step_index = step
        target.runs[step, attempt] = StepRow(StepState.STARTING)
        return True

    def move_step(
        self, target: TargetRow, fence: int, key: tuple[int, int], new: StepState, reason: str = ""
    ) -> None:
        row = target.runs[key]
        if target.fence != fence or row.state not in STEP_BUSY or row.state is new:
            return
        if row.state is StepState.RUNNING and new is StepState.RUNNING:
            return
        self.must(new in STEP_MOVES[row.state], f"step {row.state} -> {new}")
        self.say(f"{target.name} {key} {row.state} -> {new} {reason}")
        row.state, row.reason = new, reason

    def if_held(
        self, target: TargetRow, fence: int, old: TargetState, new: TargetState, reason: str = ""
    ) -> None:
        if target.fence == fence and target.state is old:
            self.move_target(target, new, reason)

    def move_target(self, target: TargetRow, new: TargetState, reason: str = "") -> None:
        self.must(new in TARGET_MOVES[target.state], f"{target.name} {target.state} -> {new}")
        self.say(f"{target.name} {target.state} -> {new} {reason}")
        target.state, target.reason = new, reason

    def move_rollout(self, new: RolloutState, reason: str = "") -> None:
        self.must(new in ROLLOUT_MOVES[self.state], f"rollout {self.state} -> {new}")
        self.say(f"rollout {self.state} -> {new} {reason}")
        if new is RolloutState.PAUSED:
            self.must(not any(target.view().busy for target in self.targets), "paused with steps under way")
        if new is RolloutState.SUCCEEDED:
            bad = [t for t in self.targets if t.state in {TargetState.SKIPPED, TargetState.CANCELLED}]
            failed = sum(t.state is TargetState.FAILED for t in self.targets)
            self.must(not bad and failed <= self.limit, "succeeded above the budget or with hosts left out")
        self.state = new

    # -- promises --------------------------------------------------------------------------------------------

    def check(self) -> None:
        """What must hold after every step."""
        active = [target for target in self.targets if target.state in TARGET_ACTIVE]
        self.must(len(active) <= self.parallel, f"{len(active)} active, parallel is {self.parallel}")
        for target in self.targets:
            host = self.hosts[target.id]
            self.must(len(host.alive) <= 1, f"two processes at once on {target.name}: {host.alive}")
            if target.state is TargetState.SUCCEEDED:
                self.must(self._did_all_steps(host), f"{target.name} succeeded with {host.folders}")
            if target.state in TARGET_ENDS and target.id not in self.accepted:
                self.must(not host.alive, f"{target.name} is {target.state} while {host.alive} lives")
            if target.state is TargetState.PENDING:
                self.must(not host.alive, f"{target.name} is pending while {host.alive} lives")
        if self.state in ROLLOUT_ENDS:
            open_targets = [target.name for target in self.targets if target.state not in TARGET_ENDS]
            self.must(not open_targets, f"rollout {self.state} while {open_targets} have not ended")

    def _did_all_steps(self, host: Host) -> bool:
        """Whether the host itself says that each step ran, in order, and in the end with exit code 0."""
        in_order = [key for key in host.executed if host.folders[key] == Folder("ended", 0)]
        return [step for step, _ in in_order] == list(range(len(self.steps)))

    def executions_are_licensed(self, target: TargetRow, host: Host) -> None:
        """No attempt ran twice; a further attempt ran only if it may: see promise 5 of `engine.decide`."""
        self.must(len(set(host.executed)) == len(host.executed), f"{target.name} ran an attempt twice")
        step, attempt = host.executed[-1]
        if attempt == 1 or (step, attempt - 1) not in host.executed:
            return
        before = target.runs[step, attempt - 1]
        allowed = before.state is StepState.INTERRUPTED and self.steps[step].rerun is Rerun.ALWAYS
        granted = (target.id, step, attempt - 1) in self.granted
        self.must(allowed or granted, f"{target.name} ran {step}/{attempt} again without a permission")

    def must(self, fine: bool, otherwise: str) -> None:
        if not fine:
            raise BrokenPromise("\n".join([otherwise, *self.trace[-40:]]))

    def say(self, what: str) -> None:
        self.trace.append(f"{self.now:9.2f} {what}")

    def states(self) -> list[tuple[str, str, str]]:
        return [(target.name, target.state.value, target.reason) for target in self.targets]
