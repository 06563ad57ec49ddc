"""Station 6: one target's steps, in order, from where its rows say that it is.

A loop: read the plan, ask `engine.next_action`, do that, again. Nothing is remembered between two rounds that
a new worker would not find in the rows, on the host or in the feed, so a takeover is the same loop in another
process. Only what the host says ends a step; a host that does not answer makes the target `lost`, not
`failed`, once the start of any step was sent to it.
"""

from __future__ import annotations

import asyncio
import contextlib

from rollcast.conf import option
from rollcast.engine.decide import Attach, AwaitPerson, Finish, Hold, StartStep, Stop, next_action
from rollcast.engine.recipe import Step
from rollcast.engine.states import RECIPE_UNREADABLE, StepState, StopEvidence, TargetState
from rollcast.fleet.actions import note_seen_key
from rollcast.remote.connector import Connection
from rollcast.remote.errors import AuthFailed, HostKeyChanged, HostKeyUnknown, RemoteError
from rollcast.rollouts import actions
from rollcast.rollouts.queries import TargetPlan
from rollcast.worker.attended import stop_upload, upload_on, wait_on
from rollcast.worker.contact import Contact
from rollcast.worker.context import Context
from rollcast.worker.detached import Detached
from rollcast.worker.hand import Changed, Hand

_DETACHED = frozenset({"run", "check"})


class TargetRun:
    """Works on one target until it has ended or another worker holds it."""

    def __init__(self, context: Context, target_id: int, fence: int) -> None:
        self._context = context
        self._contact = Contact(context)
        self._hand = Hand(context, target_id, fence, self._contact.proven)
        self._detached = Detached(self._hand)
        self.target_id = target_id
        self.fence = fence

    def poke(self) -> None:
        """Say that the plan may have changed."""
        self._hand.poke()

    async def run(self) -> None:
        """The loop. Cancelling it leaves what runs on the host running: somebody will attach."""
        try:
            while (plan := await self._hand.plan()) is not None:
                with contextlib.suppress(Changed):
                    try:
                        await self._act(plan)
                    except RemoteError as error:
                        await self._without_contact(error)
        finally:
            await self._contact.close()

    async def _act(self, plan: TargetPlan) -> None:
        if plan.view.state is not TargetState.CANCELLING and not await self._readable(plan):
            return
        action = next_action(plan.view, plan.steps, plan.wanted)
        match action:
            case StartStep(step_index=index, attempt=attempt):
                await self._start(plan, (index, attempt))
            case Attach(step_index=index, attempt=attempt):
                await self._go_on(plan, (index, attempt))
            case Stop(step_index=index, attempt=attempt):
                await self._stop(plan, (index, attempt))
            case AwaitPerson(reason=reason):
                await self._hand.change_target(
                    {TargetState.RUNNING, TargetState.LOST}, TargetState.RUNNING, reason
                )
                await self._hand.poked()
            case Hold():
                await self._hand.poked()
            case Finish(state=state, reason=reason):
                await self._finish(plan, state, reason)

    async def _readable(self, plan: TargetPlan) -> bool:
        """Whether the steps are known; if not, the target says so and waits. What runs on it goes on."""
        active = {TargetState.RUNNING, TargetState.LOST}
        if plan.unreadable:
            await self._hand.change_target(active, TargetState.RUNNING, RECIPE_UNREADABLE, plan.unreadable)
            await self._hand.poked()
        elif plan.view.reason == RECIPE_UNREADABLE:
            await self._hand.change_target(active, TargetState.RUNNING)
        else:
            return True
        return False

    # ---- what the rules ask for ----------------------------------------------------------------------------

    async def _start(self, plan: TargetPlan, key: tuple[int, int]) -> None:
        """Write the attempt's row, then start it, at once; nobody else ever starts it."""
        step = plan.steps[key[0]]
        connection = None if step.kind == "wait" else await self._reach(plan)
        if (
            plan.view.state is TargetState.LOST
        ):  # what it answers will be seen once something is started there
            await self._hand.change_target({TargetState.LOST}, TargetState.RUNNING)
            return
        if not self._context.trust.holds():
            await self._pause(plan)
            return
        begun = await self._context.database(actions.begin_step, self._hand.target_id, self._hand.fence, *key)
        now = await self._hand.plan() if begun else None
        if now is None:
            return
        if connection is not None and step.kind in _DETACHED:
            await self._detached.start(now, key, connection)
        else:
            await self._attend(now, key, step, connection)

    async def _go_on(self, plan: TargetPlan, key: tuple[int, int]) -> None:
        """Go on with an attempt that is in the rows; never start it."""
        step = plan.steps[key[0]]
        connection = None if step.kind == "wait" else await self._reach(plan)
        if connection is not None and step.kind in _DETACHED:
            await self._detached.join(plan, key, connection)
        else:
            await self._attend(plan, key, step, connection)

    async def _attend(
        self, plan: TargetPlan, key: tuple[int, int], step: Step, connection: Connection | None
    ) -> None:
        run = plan.latest
        assert run is not None  # the row stands
        if run.state is StepState.STARTING:
            await self._hand.change_step(key, StepState.RUNNING)
        elif connection is None:
            await wait_on(self._hand, plan, step, run)
        else:
            await upload_on(self._hand, plan, step, run, connection)

    async def _stop(self, plan: TargetPlan, key: tuple[int, int]) -> None:
        """See to it that nothing of the attempt runs any more."""
        step = plan.steps[key[0]]
        if step.kind in _DETACHED:
            await self._detached.join(plan, key, await self._reach(plan))
        elif step.kind == "upload" and plan.latest is not None and plan.latest.state is StepState.RUNNING:
            await stop_upload(self._hand, plan, step, plan.latest, await self._reach(plan))
        else:
            evidence = StopEvidence.STOPPED.value
            await self._hand.change_step(key, StepState.CANCELLED, stop_evidence=evidence)

    async def _finish(self, plan: TargetPlan, state: TargetState, reason: str) -> None:
        if plan.view.state is TargetState.LOST:
            await self._hand.change_target({TargetState.LOST}, TargetState.RUNNING)
        last = None if state is TargetState.SUCCEEDED else plan.latest
        detail = "" if last is None else last.detail
        await self._hand.change_target({TargetState.RUNNING, TargetState.CANCELLING}, state, reason, detail)

    # ---- contact -------------------------------------------------------------------------------------------

    async def _reach(self, plan: TargetPlan) -> Connection:
        """The connection to the host; RemoteError if it cannot be reached now."""
        if plan.spec is None:
            raise HostGone(f"{plan.view.name} is no longer part of the fleet")
        try:
            connection = await self._hand.unless_cancelled(plan, self._contact.connection(plan.spec))
        except (HostKeyUnknown, HostKeyChanged) as error:
            if plan.host_id is not None:
                await self._context.database(note_seen_key, plan.host_id, error.key)
            raise
        return connection

    async def _without_contact(self, error: RemoteError) -> None:
        """The host cannot be reached, or contact was lost: write what that means, then wait."""
        self._contact.lost()
        plan = await self._hand.plan()
        if plan is None:
            return
        state = plan.view.state
        if state is TargetState.CANCELLING:
            await self._hand.note_evidence(plan, StopEvidence.UNCONFIRMED, error.message)
        elif any(plan.steps[index].kind in _DETACHED for index in plan.starts_sent):
            active = {TargetState.RUNNING, TargetState.LOST}
            await self._hand.change_target(active, TargetState.LOST, error.code, error.message)
        elif self._given_up(error.code):
            await self._fail_unreached(plan, error)
            return
        await self._pause(plan)

    def _given_up(self, code: str) -> bool:
        """Whether a host where nothing was started has had its time; a refusal is not mended by waiting."""
        if code in REFUSALS:
            return True
        since = self._contact.failed_since
        return since is not None and self._context.clock() - since >= option("CONNECT_DEADLINE_S")

    async def _fail_unreached(self, plan: TargetPlan, error: RemoteError) -> None:
        reason = error.code if error.code in REFUSALS else "unreachable"
        if plan.view.busy and plan.latest is not None:
            key = (plan.latest.step_index, plan.latest.attempt)
            await self._hand.change_step(key, StepState.FAILED, reason=reason, detail=error.message)
        else:
            await self._hand.change_target({TargetState.RUNNING}, TargetState.FAILED, reason, error.message)

    async def _pause(self, plan: TargetPlan) -> None:
        await self._hand.unless_cancelled(plan, asyncio.sleep(self._contact.next_try_s()))


class HostGone(RemoteError):
    """The host was removed from the fleet while a rollout had it as a target."""

    code = "host_removed"


# What a person must mend first.
REFUSALS = frozenset({HostKeyUnknown.code, HostKeyChanged.code, AuthFailed.code, HostGone.code})
