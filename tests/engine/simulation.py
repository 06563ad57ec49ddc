"""A whole installation as a deterministic simulation: rows, hosts, workers, people, and all that goes wrong.

Time is virtual and every choice comes from one seed, so a failing run is run again by its number. A worker
is a set of generators; each `yield` is a place where the world may do something else first: crash or freeze
the worker (a frozen one wakes up later and goes on as if nothing had happened), cut SSH before or after a
command arrived, restart a host, jump the clock, let a person pause, resume, retry, cancel or accept. Hints
need no model: a task is looked at at any time (doubled) or not for long (lost).

`Rows.check` holds the promises of `engine.decide`'s header against the rows and hosts after every step.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Final

from rollcast.engine.accept import accept_plan, may_be_accepted
from rollcast.engine.decide import (
    Attach,
    AwaitPerson,
    Finish,
    StartStep,
    Stop,
    decide,
    next_action,
    retry_plan,
)
from rollcast.engine.problems import InputError
from rollcast.engine.states import (
    INTERRUPTED,
    NOTHING_RAN,
    ROLLOUT_ENDS,
    STEP_MOVES,
    TARGET_ACTIVE,
    RolloutState,
    StepState,
    StopEvidence,
    TargetState,
    Wanted,
)
from tests.engine.simulated_rows import BrokenPromise, Folder, Host, Rows, TargetRow

LEASE_TRUST_S: Final = 10.0
Task = Generator[None, None, None]


class ContactLost(Exception):
    """SSH was cut: whether the command arrived is not known."""


@dataclass
class Worker:
    name: str
    beat_at: float
    conducts: bool = False
    frozen_until: float = 0.0
    tasks: dict[int, Task] = field(default_factory=dict)


class World(Rows):
    """A rollout, its workers and its troubles, by seed; `run()` returns when it has come to a rest."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        super().__init__(self.rng)
        self.fail_rate = self.rng.choice([0.0, 0.05, 0.3])
        self.fence = 0
        self.conductor = ""
        self.workers: dict[str, Worker] = {}
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
        raise BrokenPromise(f"neither an end nor a person to wait for: {self.state} {self.states()}")

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
                    self._accept,
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
        self.say(f"crash {victim}")
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
            self.say("cancel")
            self.wanted = Wanted.CANCEL

    def _accept(self) -> None:
        target = self.rng.choice(self.targets)
        views = [one.view() for one in self.targets]
        if not may_be_accepted(target.view()):
            with contextlib.suppress(InputError):
                accept_plan(views, [target.name], "whatever")
                self.must(False, f"{target.name} was accepted as it is")
            return
        for view in accept_plan(views, [target.name], "the host is scrap"):
            self.accepted.add(view.id)
            self.say(f"{view.name} accepted")
            assert view.latest is not None
            row = self.targets[view.id].runs[view.latest.step_index, view.latest.attempt]
            self.must(StepState.CANCELLED in STEP_MOVES[row.state], f"step {row.state} accepted")
            row.state = StepState.CANCELLED
            self.move_target(self.targets[view.id], TargetState.CANCELLED)

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
            self.move_rollout(RolloutState.RUNNING)
            self.wanted = Wanted.RUN
        for retry in plan:
            target = self.targets[retry.target_id]
            if retry.grant:
                step, attempt = max(key for key in target.runs if key[0] == target.step_index)
                target.runs[step, attempt].retried = True
                self.granted.add((target.id, step, attempt))
            if retry.new is not retry.old:
                self.move_target(target, retry.new)
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

    def _conduct(self, worker: Worker) -> None:
        if self.conductor != worker.name:
            worker.conducts = False
            return
        self.carry_out(decide(self.snapshot(), self.now))

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
                latest = target.view().latest
                if latest is None or not target.view().busy or target.fence != fence:
                    continue
                if target.state is TargetState.RUNNING:
                    self.move_target(target, TargetState.LOST)
                elif target.state is TargetState.CANCELLING:
                    target.runs[latest.step_index, latest.attempt].evidence = StopEvidence.UNCONFIRMED

    def _act(self, target: TargetRow, fence: int) -> Task:
        wanted, before = self.wanted, target.state
        action = next_action(target.view(), self.steps, wanted)
        yield
        match action:
            case StartStep(step, attempt):
                self.must(
                    wanted is Wanted.RUN, f"a step of {target.name} was let go while {wanted} is wanted"
                )
                if target.state is TargetState.LOST:
                    self._call(target.id)
                    self.if_held(target, fence, TargetState.LOST, TargetState.RUNNING)
                    return
                if not self.begin_step(target, fence, step, attempt):
                    return
                yield
                host = self._call(target.id)
                answer = host.start((step, attempt))
                if answer == "started":
                    self.executions_are_licensed(target, host)
                self._cut_answer()
                yield
                if answer == "started":
                    self.move_step(target, fence, (step, attempt), StepState.RUNNING)
            case Attach(step, attempt):
                yield from self._attach(target, fence, (step, attempt))
            case Stop(step, attempt):
                host = self._call(target.id)
                host.stop((step, attempt))
                self._cut_answer()
                yield
                self.move_step(target, fence, (step, attempt), StepState.CANCELLED)
            case AwaitPerson(reason):
                if target.fence == fence and target.state is TargetState.RUNNING and target.view().latest:
                    latest = target.view().latest
                    if latest is not None and not latest.retried:
                        target.reason = reason
            case Finish(state, reason):
                if before is TargetState.LOST:
                    self._call(target.id)
                    self.if_held(target, fence, TargetState.LOST, TargetState.RUNNING)
                else:
                    self.if_held(target, fence, before, state, reason)

    def _attach(self, target: TargetRow, fence: int, key: tuple[int, int]) -> Task:
        host = self._call(target.id)
        if target.state is TargetState.LOST:
            self.if_held(target, fence, TargetState.LOST, TargetState.RUNNING)
            yield
        starting = target.runs[key].state is StepState.STARTING
        if starting and host.seal(key) == "sealed":
            self._cut_answer()
            yield
            self.move_step(target, fence, key, StepState.INTERRUPTED, NOTHING_RAN)
            return
        folder = host.look(key)
        self._cut_answer()
        seen = (folder.state, folder.code) if folder else ("interrupted", 0)
        yield
        match seen:
            case ("alive", _):
                if starting:
                    self.move_step(target, fence, key, StepState.RUNNING)
            case ("ended", 0):
                self.move_step(target, fence, key, StepState.SUCCEEDED)
            case ("ended", _):
                self.move_step(target, fence, key, StepState.FAILED, "exit_code")
            case _:
                self.move_step(target, fence, key, StepState.INTERRUPTED)
