"""A worker's hold on one target: its plan, the changes it may make, and how it hears of others'."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from rollcast.conf import option
from rollcast.engine.states import STEP_BUSY, TARGET_ACTIVE, StepState, StopEvidence, TargetState
from rollcast.remote.connector import step_directory
from rollcast.rollouts import queries
from rollcast.rollouts.actions import StepChange, TargetChange, bounded
from rollcast.rollouts.queries import TargetPlan
from rollcast.worker.context import Context

T = TypeVar("T")


class Changed(Exception):
    """The plan is another one now: drop what is under way here and look again."""


class Hand:
    """The target, the fence that proves the hold on it, and what everybody who works on it needs."""

    def __init__(
        self, context: Context, target_id: int, fence: int, on_answer: Callable[[], None] = lambda: None
    ) -> None:
        self.context = context
        self._on_answer = on_answer
        self.target_id = target_id
        self.fence = fence
        self._poked = asyncio.Event()

    def poke(self) -> None:
        """Say that the plan may have changed."""
        self._poked.set()

    async def plan(self) -> TargetPlan | None:
        """The plan as of now; None when the target has ended or is held by another worker."""
        self._poked.clear()
        try:
            plan = await self.context.database(queries.target_plan, self.target_id)
        except LookupError:
            return None
        held = plan.worker_id == self.context.worker_id and plan.fence == self.fence
        return plan if held and plan.view.state in TARGET_ACTIVE else None

    async def poked(self) -> None:
        """Return when the plan may have changed since it was last read."""
        await self._poked.wait()

    def answered(self) -> None:
        """The host has said something on a channel: it is within reach, and not lost (any more)."""
        self._on_answer()
        old = frozenset({TargetState.LOST})
        change = TargetChange(self.target_id, self.fence, old, TargetState.RUNNING)
        _ = self.context.recorder.hand_over(change)

    async def unless_cancelled(self, plan: TargetPlan, work: Coroutine[Any, Any, T]) -> T:
        """The work's outcome; Changed, and it is dropped, once the target is cancelled (again) or taken."""
        task = asyncio.ensure_future(work)
        try:
            while True:
                poked = asyncio.ensure_future(self._poked.wait())
                try:
                    await asyncio.wait({task, poked}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    poked.cancel()
                if task.done():
                    return task.result()
                now = await self.plan()
                if now is None or _cancelled_since(plan, now):
                    raise Changed
        finally:
            await ended(task)

    async def change_step(self, plan_step: tuple[int, int], new: StepState, **fields: Any) -> bool:
        """Bring the busy step run (index, attempt) into `new`; False if another worker or state was there."""
        index, attempt = plan_step
        change = StepChange(self.target_id, self.fence, index, attempt, STEP_BUSY, new, fields)
        done = await self.context.recorder.hand_over(change)
        self.context.wake()
        return done

    def note_started(self, plan_step: tuple[int, int]) -> None:
        """The host said that the step runs; its end will tell if this could not be written."""
        index, attempt = plan_step
        old = frozenset({StepState.STARTING})
        change = StepChange(self.target_id, self.fence, index, attempt, old, StepState.RUNNING)
        _ = self.context.recorder.hand_over(change)

    async def asked_again(self, plan: TargetPlan, longest_s: float) -> None:
        """Return after so many seconds, or once a person asks again for the cancel; Changed if taken."""
        with contextlib.suppress(Changed):
            await self.unless_cancelled(plan, asyncio.sleep(longest_s))
        if await self.plan() is None:
            raise Changed

    def directory(self, plan: TargetPlan, plan_step: tuple[int, int]) -> str:
        """What names the attempt (index, attempt) on its host."""
        return step_directory(self.context.epoch, plan.rollout_id, self.target_id, *plan_step)

    async def until_sure(self, stop: Callable[[], Awaitable[tuple[StopEvidence, str]]]) -> StopEvidence:
        """Stop, by `stop`, until its evidence is sure; what is not is kept, with why, and tried again.

        Raises Changed when the target is taken, or its cancel accepted as it stands.
        """
        while True:
            evidence, why = await stop()
            if evidence is not StopEvidence.UNCONFIRMED:
                return evidence
            plan = await self.plan()
            if plan is None:
                raise Changed
            await self.note_evidence(plan, evidence, why)
            await self.asked_again(plan, option("RECONNECT_MAX_S"))

    async def note_evidence(self, plan: TargetPlan, evidence: StopEvidence, detail: str = "") -> None:
        """Keep what was seen of a step that is being stopped; its state stays. What was sure stays sure."""
        run = plan.latest
        if run is None or run.stop_evidence == StopEvidence.STOPPED.value:
            return
        if (run.stop_evidence, run.detail) == (evidence.value, bounded(detail)):
            return
        change = StepChange(
            self.target_id,
            self.fence,
            run.step_index,
            run.attempt,
            frozenset({run.state}),
            run.state,
            {"stop_evidence": evidence.value, "detail": detail},
        )
        await self.context.recorder.hand_over(change)

    async def change_target(
        self, old: set[TargetState], new: TargetState, reason: str = "", detail: str = ""
    ) -> bool:
        """Bring the target into `new`; False if another worker or state was there."""
        change = TargetChange(self.target_id, self.fence, frozenset(old), new, reason, detail)
        done = await self.context.recorder.hand_over(change)
        self.context.wake()
        return done


def _cancelled_since(plan: TargetPlan, now: TargetPlan) -> bool:
    """Whether the target is to be cancelled by now, or a person has asked for that once more."""
    if now.view.state is not TargetState.CANCELLING:
        return False
    return plan.view.state is not TargetState.CANCELLING or plan.wish != now.wish


async def ended(*tasks: asyncio.Future[Any]) -> None:
    """Cancel what still runs and wait until it has gone."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
