"""A whole installation as a deterministic simulation: rows, hosts, workers, people, and all that goes wrong.

Time is virtual and every choice comes from one seed, so a failing run is run again by its number. A worker
is a set of generators; each `yield` is a place where the world may do something else first: crash or freeze
the worker (a frozen one wakes up later and goes on as if nothing had happened), cut SSH before or after a
command arrived, restart a host, jump the clock, let a person pause, resume, retry or cancel. Hints need no
model: a task is looked at at any time (doubled) or not for long (lost).

`World.check` holds the promises of `engine.decide`'s header against the rows and hosts after every step.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from rollcast.engine.decide import (
    Attach,
    AwaitPerson,
    Command,
    Finish,
    MoveRollout,
    Snapshot,
    StartStep,
    StepRunView,
    Stop,
    TargetView,
    decide,
    next_action,
    retry_plan,
)
from rollcast.engine.problems import InputError
from rollcast.engine.recipe import Rerun, Step
from rollcast.engine.states import (
    INTERRUPTED,
    NOTHING_RAN,
    ROLLOUT_ENDS,
    ROLLOUT_MOVES,
    STEP_BUSY,
    STEP_MOVES,
    TARGET_ACTIVE,
    TARGET_ENDS,
    TARGET_MOVES,
    RolloutState,
    StepState,
    TargetState,
    Wanted,
)

LEASE_TRUST_S: Final = 10.0
Task = Generator[None, None, None]
FolderState = Literal["sealed", "alive", "ended", "interrupted"]


class BrokenPromise(AssertionError):
    """The engine, or the world around it, did what it must not do."""


class ContactLost(Exception):
    """SSH was cut: whether the command arrived is not known."""


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
            latest = StepRunView(self.step_index, max(attempts), row.state, row.reason, row.retried)
        return TargetView(self.id, self.name, self.wave, self.state, self.step_index, self.reason, latest)


@dataclass
class Worker:
    name: str
    beat_at: float
    conducts: bool = False
    frozen_until: float = 0.0
    tasks: dict[int, Task] = field(default_factory=dict)


class World:
    """One rollout over some hosts, by seed. `run()` returns when it has ended or waits for a person."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        rng = self.rng
        reruns = [rng.choice(list(Rerun)) for _ in range(rng.randint(1, 3))]
        self.steps = [Step(str(i), "run", 60, rerun, "true") for i, rerun in enumerate(reruns)]
        self.parallel = rng.randint(1, 4)
        self.limit = rng.choice([0, 1, 2, 8])
        self.fail_rate = rng.choice([0.0, 0.05, 0.3])
        self.state = RolloutState.PENDING
        self.wanted = Wanted.RUN
        self.fence = 0
        self.conductor = ""
        n = rng.randint(1, 7)
        self.targets = [TargetRow(i, f"h{i}", wave=i * 3 // n + 1) for i in range(n)]
        self.hosts = [Host() for _ in self.targets]
        self.workers: dict[str, Worker] = {}
        self.granted: set[tuple[int, int, int]] = set()
        self.trace: list[str] = []
        self.calm = False
        for _ in range(2):
            self._new_worker()

    # -- the run ---------------------------------------------------------------------------------------------

    def run(self, chaos_steps: int = 400, calm_steps: int = 6000) -> None:
        """Everything goes wrong for a while, then nothing more: the rollout must come to a rest."""
        for _ in range(chaos_steps):
            self._anything()
            self.check()
        self.calm = True
        for host in self.hosts:
            host.reachable = True
        for _ in range(calm_steps):
            if self.at_rest():
                return
            self._anything()
            self.check()
        raise BrokenPromise(f"neither an end nor a person to wait for: {self.state} {self._states()}")

    def at_rest(self) -> bool:
        """Ended, or every host that has not ended waits for a person, or a person paused it."""
        if self.state in ROLLOUT_ENDS:
            return True
        if self.wanted is Wanted.PAUSE:
            return self.state is RolloutState.PAUSED
        if self.wanted is Wanted.CANCEL:
            return False
        active = [target for target in self.targets if target.state in TARGET_ACTIVE]
        waiting = bool(active) and all(target.reason == INTERRUPTED for target in active)
        return waiting and self.state is RolloutState.RUNNING

    def _anything(self) -> None:
        rng = self.rng
        self.now += rng.choice([0.01, 0.1, 0.5, 2.0])
        if not self.calm and rng.random() < 0.12:
            rng.choice(
                [
                    self._crash,
                    self._freeze,
                    self._cut,
                    self._restart_host,
                    self._clock_jump,
                    self._pause,
                    self._resume,
                    self._retry,
                    self._cancel,
                ]
            )()
            return
        if rng.random() < 0.2:
            self._processes_end()
        for worker in list(self.workers.values()):
            if worker.frozen_until <= self.now:
                self._work(worker)

    def _processes_end(self) -> None:
        for host in self.hosts:
            for key in host.alive:
                if self.rng.random() < 0.5:
                    host.folders[key] = Folder("ended", int(self.rng.random() < self.fail_rate))

    # -- faults ----------------------------------------------------------------------------------------------

    def _new_worker(self) -> None:
        name = f"w{len(self.trace)}-{self.rng.random():.6f}"
        self.workers[name] = Worker(name, self.now)

    def _crash(self) -> None:
        victim = self.rng.choice(list(self.workers))
        self._say(f"crash {victim}")
        del self.workers[victim]
        self._new_worker()

    def _freeze(self) -> None:
        self.rng.choice(list(self.workers.values())).frozen_until = self.now + self.rng.choice(
            [3.0, 15.0, 60.0]
        )

    def _cut(self) -> None:
        host = self.rng.choice(self.hosts)
        host.reachable = not host.reachable

    def _restart_host(self) -> None:
        self.rng.choice(self.hosts).restart()

    def _clock_jump(self) -> None:
        self.now += 3600.0

    # -- people ----------------------------------------------------------------------------------------------

    def _pause(self) -> None:
        if self.state not in ROLLOUT_ENDS and self.wanted is Wanted.RUN:
            self.wanted = Wanted.PAUSE

    def _resume(self) -> None:
        if self.state not in ROLLOUT_ENDS and self.wanted is Wanted.PAUSE:
            self.wanted = Wanted.RUN

    def _cancel(self) -> None:
        if self.state not in ROLLOUT_ENDS and self.rng.random() < 0.15:
            self._say("cancel")
            self.wanted = Wanted.CANCEL

    def _retry(self) -> None:
        if self.wanted is Wanted.CANCEL:
            return
        views = [target.view() for target in self.targets]
        chosen = None if self.rng.random() < 0.5 else [self.rng.choice(self.targets).name]
        try:
            plan = retry_plan(views, chosen, self.limit)
        except InputError:
            return
        if self.state in ROLLOUT_ENDS:
            self._move_rollout(RolloutState.RUNNING)
            self.wanted = Wanted.RUN
        for retry in plan:
            target = self.targets[retry.target_id]
            if retry.grant:
                step, attempt = max(key for key in target.runs if key[0] == target.step_index)
                target.runs[step, attempt].retried = True
                self.granted.add((target.id, step, attempt))
            if retry.new is not retry.old:
                self._move_target(target, retry.new)
            target.reason = ""

    # -- workers: leases -------------------------------------------------------------------------------------

    def _work(self, worker: Worker) -> None:
        worker.beat_at = self.now
        if self.rng.random() < 0.3:
            self._claim(worker)
        if worker.conducts and self.rng.random() < 0.5:
            self._conduct(worker)
        for target_id in list(worker.tasks):
            if self.rng.random() < 0.6:
                try:
                    next(worker.tasks[target_id])
                except (StopIteration, ContactLost):
                    worker.tasks.pop(target_id, None)

    def _gone(self, name: str) -> bool:
        worker = self.workers.get(name)
        return worker is None or self.now - worker.beat_at > LEASE_TRUST_S

    def _claim(self, worker: Worker) -> None:
        if self._gone(self.conductor):
            self.conductor, self.fence = worker.name, self.fence + 1
        worker.conducts = self.conductor == worker.name
        for target in self.targets:
            if target.state in TARGET_ACTIVE and self._gone(target.worker):
                target.worker, target.fence = worker.name, target.fence + 1
            if (
                target.worker == worker.name
                and target.id not in worker.tasks
                and target.state in TARGET_ACTIVE
            ):
                worker.tasks[target.id] = self._target_task(target, target.fence)

    # -- workers: the conductor ------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        views = tuple(target.view() for target in self.targets)
        return Snapshot(self.state, self.wanted, self.parallel, self.limit, views)

    def _conduct(self, worker: Worker) -> None:
        if self.conductor != worker.name:
            worker.conducts = False
            return
        self.carry_out(decide(self.snapshot(), self.now))

    def carry_out(self, commands: Iterable[Command]) -> None:
        """One transaction: what was decided on these very rows."""
        for command in commands:
            if isinstance(command, MoveRollout):
                self._move_rollout(command.state, command.reason)
                continue
            target = self.targets[command.target_id]
            self._must(target.state is command.old, f"{command} but {target.state}")
            if command.new is TargetState.RUNNING:
                self._may_be_set_going(target)
            self._move_target(target, command.new, command.reason)

    def _may_be_set_going(self, target: TargetRow) -> None:
        failed = sum(other.state is TargetState.FAILED for other in self.targets)
        self._must(failed <= self.limit, f"{target.name} set going after the budget was exceeded")
        self._must(self.wanted is Wanted.RUN, f"{target.name} set going while {self.wanted} is wanted")
        earlier = [
            other for other in self.targets if other.wave < target.wave and other.state not in TARGET_ENDS
        ]
        self._must(not earlier, f"{target.name} set going before an earlier wave has ended")

    # -- workers: one target ---------------------------------------------------------------------------------

    def _call(self, target_id: int) -> Host:
        """The host, if it can be reached and the command arrives; see also `_cut_answer`."""
        if not self.hosts[target_id].reachable:
            raise ContactLost
        if not self.calm and self.rng.random() < 0.05:
            raise ContactLost
        return self.hosts[target_id]

    def _cut_answer(self) -> None:
        if not self.calm and self.rng.random() < 0.05:
            raise ContactLost

    def _target_task(self, target: TargetRow, fence: int) -> Task:
        """What a worker does with a target that it holds; ContactLost makes it `lost` and is tried again."""
        while target.fence == fence and target.state in TARGET_ACTIVE:
            yield
            try:
                yield from self._act(target, fence)
            except ContactLost:
                yield
                if target.view().busy and target.state is TargetState.RUNNING and target.fence == fence:
                    self._move_target(target, TargetState.LOST)

    def _act(self, target: TargetRow, fence: int) -> Task:
        wanted, before = self.wanted, target.state
        action = next_action(target.view(), self.steps, wanted)
        yield
        match action:
            case StartStep(step, attempt):
                self._must(
                    wanted is Wanted.RUN, f"a step of {target.name} was let go while {wanted} is wanted"
                )
                if target.state is TargetState.LOST:
                    self._call(target.id)
                    self._if_held(target, fence, TargetState.LOST, TargetState.RUNNING)
                    return
                if not self._begin_step(target, fence, step, attempt):
                    return
                yield
                host = self._call(target.id)
                answer = host.start((step, attempt))
                if answer == "started":
                    self._executions_are_licensed(target, host)
                self._cut_answer()
                yield
                if answer == "started":
                    self._move_step(target, fence, (step, attempt), StepState.RUNNING)
            case Attach(step, attempt):
                yield from self._attach(target, fence, (step, attempt))
            case Stop(step, attempt):
                host = self._call(target.id)
                host.stop((step, attempt))
                self._cut_answer()
                yield
                self._move_step(target, fence, (step, attempt), StepState.CANCELLED)
            case AwaitPerson(reason):
                if target.fence == fence and target.state is TargetState.RUNNING and target.view().latest:
                    latest = target.view().latest
                    if latest is not None and not latest.retried:
                        target.reason = reason
            case Finish(state, reason):
                if before is TargetState.LOST:
                    self._call(target.id)
                    self._if_held(target, fence, TargetState.LOST, TargetState.RUNNING)
                else:
                    self._if_held(target, fence, before, state, reason)

    def _attach(self, target: TargetRow, fence: int, key: tuple[int, int]) -> Task:
        host = self._call(target.id)
        if target.state is TargetState.LOST:
            self._if_held(target, fence, TargetState.LOST, TargetState.RUNNING)
            yield
        starting = target.runs[key].state is StepState.STARTING
        if starting and host.seal(key) == "sealed":
            self._cut_answer()
            yield
            self._move_step(target, fence, key, StepState.INTERRUPTED, NOTHING_RAN)
            return
        folder = host.look(key)
        self._cut_answer()
        seen = (folder.state, folder.code) if folder else ("interrupted", 0)
        yield
        match seen:
            case ("alive", _):
                if starting:
                    self._move_step(target, fence, key, StepState.RUNNING)
            case ("ended", 0):
                self._move_step(target, fence, key, StepState.SUCCEEDED)
            case ("ended", _):
                self._move_step(target, fence, key, StepState.FAILED, "exit_code")
            case _:
                self._move_step(target, fence, key, StepState.INTERRUPTED)

    # -- rows: every change is a compare-and-set -------------------------------------------------------------

    def _begin_step(self, target: TargetRow, fence: int, step: int, attempt: int) -> bool:
        held = target.fence == fence and target.state is TargetState.RUNNING
        if not held or self.wanted is not Wanted.RUN or (step, attempt) in target.runs:
            return False
        busy = [key for key, row in target.runs.items() if row.state in STEP_BUSY]
        self._must(not busy, f"{target.name} begins {step}/{attempt} while {busy} may be running")
        target.step_index = step
        target.runs[step, attempt] = StepRow(StepState.STARTING)
        return True

    def _move_step(
        self, target: TargetRow, fence: int, key: tuple[int, int], new: StepState, reason: str = ""
    ) -> None:
        row = target.runs[key]
        if target.fence != fence or row.state not in STEP_BUSY or row.state is new:
            return
        if row.state is StepState.RUNNING and new is StepState.RUNNING:
            return
        self._must(new in STEP_MOVES[row.state], f"step {row.state} -> {new}")
        self._say(f"{target.name} {key} {row.state} -> {new} {reason}")
        row.state, row.reason = new, reason

    def _if_held(
        self, target: TargetRow, fence: int, old: TargetState, new: TargetState, reason: str = ""
    ) -> None:
        if target.fence == fence and target.state is old:
            self._move_target(target, new, reason)

    def _move_target(self, target: TargetRow, new: TargetState, reason: str = "") -> None:
        self._must(new in TARGET_MOVES[target.state], f"{target.name} {target.state} -> {new}")
        self._say(f"{target.name} {target.state} -> {new} {reason}")
        target.state, target.reason = new, reason

    def _move_rollout(self, new: RolloutState, reason: str = "") -> None:
        self._must(new in ROLLOUT_MOVES[self.state], f"rollout {self.state} -> {new}")
        self._say(f"rollout {self.state} -> {new} {reason}")
        if new is RolloutState.PAUSED:
            self._must(not any(target.view().busy for target in self.targets), "paused with steps under way")
        if new is RolloutState.SUCCEEDED:
            bad = [t for t in self.targets if t.state in {TargetState.SKIPPED, TargetState.CANCELLED}]
            failed = sum(t.state is TargetState.FAILED for t in self.targets)
            self._must(not bad and failed <= self.limit, "succeeded above the budget or with hosts left out")
        self.state = new

    # -- promises --------------------------------------------------------------------------------------------

    def check(self) -> None:
        """What must hold after every step."""
        active = [target for target in self.targets if target.state in TARGET_ACTIVE]
        self._must(len(active) <= self.parallel, f"{len(active)} active, parallel is {self.parallel}")
        for target in self.targets:
            host = self.hosts[target.id]
            self._must(len(host.alive) <= 1, f"two processes at once on {target.name}: {host.alive}")
            if target.state is TargetState.SUCCEEDED:
                self._must(self._did_all_steps(host), f"{target.name} succeeded with {host.folders}")
            if target.state in TARGET_ENDS:
                self._must(not host.alive, f"{target.name} is {target.state} while {host.alive} lives")
            if target.state is TargetState.PENDING:
                self._must(not host.alive, f"{target.name} is pending while {host.alive} lives")
        if self.state in ROLLOUT_ENDS:
            open_targets = [target.name for target in self.targets if target.state not in TARGET_ENDS]
            self._must(not open_targets, f"rollout {self.state} while {open_targets} have not ended")

    def _did_all_steps(self, host: Host) -> bool:
        """Whether the host itself says that each step ran, in order, and in the end with exit code 0."""
        in_order = [key for key in host.executed if host.folders[key] == Folder("ended", 0)]
        return [step for step, _ in in_order] == list(range(len(self.steps)))

    def _executions_are_licensed(self, target: TargetRow, host: Host) -> None:
        """No attempt ran twice; a further attempt ran only if it may: see promise 5 of `engine.decide`."""
        self._must(len(set(host.executed)) == len(host.executed), f"{target.name} ran an attempt twice")
        step, attempt = host.executed[-1]
        if attempt == 1 or (step, attempt - 1) not in host.executed:
            return
        before = target.runs[step, attempt - 1]
        allowed = before.state is StepState.INTERRUPTED and self.steps[step].rerun is Rerun.ALWAYS
        granted = (target.id, step, attempt - 1) in self.granted
        self._must(allowed or granted, f"{target.name} ran {step}/{attempt} again without a permission")

    def _must(self, fine: bool, otherwise: str) -> None:
        if not fine:
            raise BrokenPromise("\n".join([otherwise, *self.trace[-40:]]))

    def _say(self, what: str) -> None:
        self.trace.append(f"{self.now:9.2f} {what}")

    def _states(self) -> list[tuple[str, str, str]]:
        return [(target.name, target.state.value, target.reason) for target in self.targets]
