"""Steps that need the worker all the time: `wait` and `upload`. Neither leaves a process running on a host.

An upload that is cancelled may be in its last moments there, so the host is asked to give it up.

Both go on after a takeover: a wait counts from the row's `started_at`, an upload is simply done again (the
host gets the file whole or not at all).
"""

from __future__ import annotations

import asyncio
from typing import Final

from rollcast.engine.recipe import Step, fill
from rollcast.engine.states import StepState
from rollcast.remote.connector import Connection
from rollcast.remote.errors import UploadRefused
from rollcast.rollouts.actions import ProgressEntry
from rollcast.rollouts.queries import RunRow, TargetPlan
from rollcast.worker.hand import Hand
from rollcast.worker.stop import abandon_upload

# Seconds between two events that say how far an upload is.
PROGRESS_S: Final = 0.5


async def wait_on(hand: Hand, plan: TargetPlan, step: Step, run: RunRow) -> None:
    """Let the step's time pass, by the worker's clock; Changed when the target is cancelled meanwhile."""
    left = (run.started_at or 0.0) + step.seconds - hand.context.clock()
    await hand.unless_cancelled(plan, asyncio.sleep(max(0.0, left)))
    await hand.change_step((run.step_index, run.attempt), StepState.SUCCEEDED)


async def upload_on(hand: Hand, plan: TargetPlan, step: Step, run: RunRow, connection: Connection) -> None:
    """Bring the step's file to the host; ContactLost, or Changed when the target is cancelled."""
    key = (run.step_index, run.attempt)
    path, sha256 = plan.files[fill(step.file, plan.params)]
    progress = _Progress(hand, run.step_index)
    left = (run.started_at or 0.0) + step.timeout_s - hand.context.clock()
    try:
        async with asyncio.timeout(max(0.0, left)):
            await hand.unless_cancelled(
                plan,
                connection.upload(
                    hand.directory(plan, key), path, fill(step.to, plan.params), sha256, step.mode, progress
                ),
            )
    except UploadRefused as error:
        await hand.change_step(key, StepState.FAILED, reason=error.code, detail=error.message)
    except TimeoutError:
        await hand.change_step(key, StepState.FAILED, reason="timeout")
    else:
        await hand.change_step(key, StepState.SUCCEEDED)


async def stop_upload(hand: Hand, plan: TargetPlan, step: Step, run: RunRow, connection: Connection) -> None:
    """See to it that the file is not put in its place any more; Changed (`Hand.until_sure`), ContactLost."""
    key, to = (run.step_index, run.attempt), fill(step.to, plan.params)
    evidence = await hand.until_sure(lambda: abandon_upload(connection, hand.directory(plan, key), to))
    await hand.change_step(key, StepState.CANCELLED, stop_evidence=evidence.value, detail="")


class _Progress:
    """Tells of an upload's progress, not more often than somebody can read."""

    def __init__(self, hand: Hand, step_index: int) -> None:
        self._hand = hand
        self._step_index = step_index
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.time()

    def __call__(self, n_bytes: int, total: int) -> None:
        now = self._loop.time()
        if now < self._next and n_bytes < total:
            return
        self._next = now + PROGRESS_S
        self._hand.answered()
        entry = ProgressEntry(self._hand.target_id, self._step_index, n_bytes, total)
        _ = self._hand.context.recorder.hand_over(entry)
