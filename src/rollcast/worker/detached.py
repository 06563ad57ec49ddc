"""The steps `run` and `check`: detached on the host; where nothing can be written, attached to their channel.

Promise: an attempt is started at most once, whatever is cut in between; a step is `succeeded` only when every
byte that it wrote is stored. Why true: the row `starting` stands before the start is sent, and the start is
sent only by the worker that wrote that row, at once. Whoever finds such a row later seals the attempt's
folder: `sealed` means that nothing ran or will, `taken` that it runs, and from then on there is only attach.
At the end the exit record's count and digest are compared with what was read. What would break it: a second
way to `start`; a verdict by our own clock; success without the account.

An attached step says so: its row has the reason `attached` before its start is sent. It leaves nothing on the
host, so whoever finds such a row (contact was lost, or the worker is another one) makes sure that it runs no
more, and writes `interrupted: attached_lost`: nobody can know how far it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol

from rollcast.conf import option
from rollcast.engine.recipe import Step, check_script, environment
from rollcast.engine.states import JOURNAL_DIFFERS, NOTHING_RAN, StepState, StopEvidence, TargetState
from rollcast.remote.attached import ATTACHED, ATTACHED_LOST, attached_items
from rollcast.remote.connector import Attachment, Connection, Ended, Item
from rollcast.remote.errors import ContactLost, ForcedCommand, NothingWritable, RunnerError
from rollcast.remote.follow import follow
from rollcast.rollouts import queries
from rollcast.rollouts.queries import TargetPlan
from rollcast.worker.follow import Follower, ReadAgain, Verdict
from rollcast.worker.hand import Changed, Hand, ended
from rollcast.worker.output import OutputReader, covers
from rollcast.worker.stop import end_state, stop_step

# A step that was stopped may have written more than we have read: we read on for as long as bytes come. So
# many seconds of silence end this, after those in which the follower itself looks and attaches again.
LAST_WORD_S: Final = 15.0


@dataclass(frozen=True)
class _Place:
    """One attempt on its host, by way of one connection."""

    plan: TargetPlan
    step: Step
    key: tuple[int, int]  # step index, attempt
    connection: Connection
    directory: str
    attached: bool = False  # to its channel: there is no journal, and no second look at it


class Detached:
    """Starts, follows and stops the attempts of one target; keeps its reader while contact comes and goes."""

    def __init__(self, hand: Hand) -> None:
        self._hand = hand
        self._reader: OutputReader | None = None
        self._reader_key: tuple[int, int] | None = None
        self._heard_start = False  # of the attempt that is followed now

    async def start(self, plan: TargetPlan, key: tuple[int, int], connection: Connection) -> None:
        """Send the start of an attempt whose row was written just now, and follow it to its end."""
        place = self._place(plan, key, connection)
        self._reader, self._reader_key = self._new_reader(place, 0), key
        self._heard_start = False
        try:
            try:
                attachment = await _ask_to_start(place, connection.start)
            except NothingWritable:
                await self._start_attached(place)
            else:
                await self._follow(place, self._journal(place, attachment))
        except RunnerError as error:
            if self._heard_start:
                raise
            if isinstance(error, ForcedCommand) or await _nothing_ran(place):
                await self._hand.change_step(key, StepState.FAILED, reason=error.code, detail=error.message)

    async def _start_attached(self, place: _Place) -> None:
        """Say in the row how it runs, then start it on its channel and follow it to its end."""
        if not await self._hand.change_step(place.key, StepState.STARTING, reason=ATTACHED):
            raise Changed
        place = replace(place, attached=True)
        start = partial(place.connection.start_attached, permitted=self._hand.context.trust.holds)
        attachment = await _ask_to_start(place, start)
        await self._follow(place, attached_items(attachment))

    async def join(self, plan: TargetPlan, key: tuple[int, int], connection: Connection) -> None:
        """Go on with an attempt that somebody may have started; stops it if the target is being cancelled."""
        place = self._place(plan, key, connection)
        self._heard_start = False
        if plan.view.latest is not None and plan.view.latest.reason == ATTACHED:
            await self._give_up_attached(replace(place, attached=True))
            return
        run = plan.latest
        if run is not None and run.state is StepState.STARTING and await _sealed(place):
            await self._conclude(place, Verdict(nothing_ran=True), None)
            return
        if self._reader is None or self._reader_key != key:
            mark = await self._hand.context.database(
                queries.mark, plan.rollout_id, self._hand.target_id, *key
            )
            self._reader, self._reader_key = self._new_reader(place, mark), key
        self._reader.rewind()
        await self._follow(place, self._journal(place, None))

    async def _give_up_attached(self, place: _Place) -> None:
        """An attached step whose channel is gone: see to it that it runs no more, and say so."""
        self._reader = None
        evidence = await self._stop(place)
        cancelling = place.plan.view.state is TargetState.CANCELLING
        await self._conclude(place, Verdict(interrupted=ATTACHED_LOST), evidence if cancelling else None)

    def _place(self, plan: TargetPlan, key: tuple[int, int], connection: Connection) -> _Place:
        return _Place(plan, plan.steps[key[0]], key, connection, self._hand.directory(plan, key))

    def _new_reader(self, place: _Place, mark: int) -> OutputReader:
        encoding = place.plan.spec.encoding if place.plan.spec else "utf-8"
        return OutputReader(self._hand.target_id, *place.key, encoding, mark)

    def _journal(self, place: _Place, attachment: Attachment | None) -> AsyncGenerator[Item, None]:
        """The items of a detached step from where our reader stands."""
        assert self._reader is not None
        return follow(
            place.connection,
            place.directory,
            self._reader.mark,
            attachment=attachment,
            silence_look_s=option("SILENCE_LOOK_S"),
        )

    async def _follow(self, place: _Place, items: AsyncGenerator[Item, None]) -> None:
        """Follow to the end; when the target is to be cancelled meanwhile, stop the step beside it."""
        assert self._reader is not None
        self._heard_start = False

        def on_started() -> None:
            self._heard_start = True
            self._hand.note_started(place.key)

        follower = Follower(self._reader, self._hand.context.recorder, on_started, self._hand.answered)
        following = asyncio.ensure_future(follower.run(items))
        stopping: asyncio.Task[StopEvidence] | None = None
        cancelling = place.plan.view.state is TargetState.CANCELLING
        try:
            while not following.done():
                if cancelling and stopping is None:
                    stopping = asyncio.ensure_future(self._stop(place))
                if stopping is not None and stopping.done():
                    break
                cancelling = await self._watch(following, stopping) or cancelling
            if following.done():
                following.result()  # contact lost: the stop cannot be sure either
            evidence = None if stopping is None else await stopping
            if evidence is None or await self._drained(follower, following, evidence):
                verdict = following.result()
            else:
                await ended(following)
                await follower.stored()
                verdict = await self._undrained(place)
        except ReadAgain:
            self._reader = None
            return
        finally:
            await ended(following, *([stopping] if stopping else []))
        if verdict.interrupted == ATTACHED_LOST:
            # All that was received is stored; that it runs no more is for the next contact to see.
            raise ContactLost(f"{place.directory}: the channel of an attached step is gone")
        await self._conclude(place, verdict, evidence)

    async def _drained(
        self, follower: Follower, following: asyncio.Future[Verdict], evidence: StopEvidence
    ) -> bool:
        """After the stop, read on for as long as the host says something; whether its last word came."""
        if not following.done() and evidence is StopEvidence.STOPPED:
            # Whoever reads the rest, maybe after a takeover, would be told that it "had ended already".
            plan = await self._hand.plan()
            if plan is None:
                raise Changed
            await self._hand.note_evidence(plan, evidence)
        patience: float = option("SILENCE_LOOK_S") + LAST_WORD_S
        while not following.done():
            left = patience - follower.silent_s()
            if left <= 0:
                return False
            await self._watch(following, None, left)
        return True

    async def _undrained(self, place: _Place) -> Verdict:
        """The host fell silent before its last word: what it knows of the end, and how much is missing."""
        assert self._reader is not None
        stored = f"{self._reader.mark} bytes of output are stored"
        if place.attached:
            return Verdict(
                interrupted=JOURNAL_DIFFERS, detail=f"{stored}; nobody knows whether there were more"
            )
        look = await place.connection.look(place.directory)
        if look.code is not None and look.bytes is not None and look.sha256 is not None:
            return Verdict(ended=Ended(look.code, look.bytes, look.sha256))
        detail = f"{stored}; the host does not say how many its journal has (it is {look.state})"
        return Verdict(interrupted=JOURNAL_DIFFERS, detail=detail)

    async def _watch(
        self,
        following: asyncio.Future[Verdict],
        stopping: asyncio.Task[StopEvidence] | None,
        timeout_s: float | None = None,
    ) -> bool:
        """Wait for what comes first; whether the target is to be cancelled. Changed if it was taken."""
        poked = asyncio.ensure_future(self._hand.poked())
        waited_for: set[asyncio.Future[Any]] = {following, poked, *([stopping] if stopping else [])}
        try:
            await asyncio.wait(waited_for, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if following.done() or not poked.done():
                return False
        finally:
            poked.cancel()
        plan = await self._hand.plan()
        if plan is None:
            raise Changed
        return plan.view.state is TargetState.CANCELLING

    def _began(self, place: _Place) -> bool:
        """Whether the host has said that the step runs: to us, or to a reader before us.

        Of what kind a step is that can no longer be read nobody knows; a wait has no folder and needs none.
        """
        run = place.plan.latest
        told = run is not None and run.state is not StepState.STARTING and not place.plan.unreadable
        return told or self._heard_start

    async def _stop(self, place: _Place) -> StopEvidence:
        """Stop until it is sure; what is not sure is kept and tried again."""
        run = place.plan.latest
        if run is not None and run.stop_evidence == StopEvidence.STOPPED.value:
            return StopEvidence.STOPPED  # seen by a reader before this one
        return await self._hand.until_sure(
            lambda: stop_step(
                place.connection, place.directory, attached=place.attached, began=self._began(place)
            )
        )

    async def _conclude(self, place: _Place, verdict: Verdict, evidence: StopEvidence | None) -> None:
        """Write how the attempt ended."""
        if verdict.taken:
            return  # the start was made before: the next look attaches
        self._hand.answered()
        cancelling = place.plan.view.state is TargetState.CANCELLING or evidence is not None
        fields: dict[str, Any] = {}
        if verdict.ended is not None:
            state, fields = await self._end(place, verdict.ended, verdict.reason)
        elif verdict.nothing_ran:
            state, fields = StepState.INTERRUPTED, {"reason": NOTHING_RAN}
        else:
            state = StepState.INTERRUPTED
            fields = {"reason": verdict.interrupted, "detail": verdict.detail}
        if cancelling:
            evidence = evidence or StopEvidence.STOPPED
            state = end_state(state, evidence)
            fields = {"detail": "", **fields, "stop_evidence": evidence.value}  # it says no more why not
        await self._hand.change_step(place.key, state, **fields)
        self._reader = None

    async def _end(self, place: _Place, last: Ended, reason: str) -> tuple[StepState, dict[str, Any]]:
        """The state and the columns of an attempt that left an exit record."""
        assert self._reader is not None
        fields: dict[str, Any] = {"exit_code": last.code}
        if not place.attached:  # what was received has nothing to be compared with: no verified account of it
            fields["journal_bytes"] = last.bytes
            fields["journal_sha256"] = last.sha256
            fields["after_end_bytes"] = max(0, self._reader.mark - last.bytes)
        if not await self._account_closes(place, last):
            missing = f"{self._reader.mark} of the {last.bytes} bytes in the host's journal are stored"
            detail = missing if self._reader.mark < last.bytes else ""
            return StepState.FAILED, {**fields, "reason": JOURNAL_DIFFERS, "detail": detail}
        if reason:
            return StepState.FAILED, {**fields, "reason": reason}
        if last.code:
            return StepState.FAILED, {**fields, "reason": f"exit {last.code}"}
        return StepState.SUCCEEDED, fields

    async def _account_closes(self, place: _Place, last: Ended) -> bool:
        """Whether all that the step wrote is stored, byte for byte as it stands on the host.

        A reader that read everything itself compares with the exit record. After a takeover each reader's
        stretch is compared with the host's digest of the same bytes, and together they must leave no hole.
        """
        assert self._reader is not None
        if self._reader.read_all(last.bytes, last.sha256):
            return True
        plan = await self._hand.plan()
        if plan is None or plan.latest is None:
            raise Changed
        stretches = plan.latest.stretches
        if not covers(stretches, last.bytes):
            return False
        digests = await place.connection.digest(
            place.directory, [(start, end) for start, end, _ in stretches]
        )
        return digests == [sha256 for _, _, sha256 in stretches]


class _Start(Protocol):
    """`Connection.start` or `start_attached`."""

    async def __call__(
        self,
        directory: str,
        env: Mapping[str, str],
        script: bytes,
        *,
        timeout_s: float,
        max_output: int,
        buffering: str,
    ) -> Attachment: ...


async def _ask_to_start(place: _Place, start: _Start) -> Attachment:
    step, plan = place.step, place.plan
    script = check_script(step) if step.kind == "check" else step.script
    return await start(
        place.directory,
        environment(plan.recipe, plan.params),
        script.encode(plan.spec.encoding if plan.spec else "utf-8"),
        timeout_s=step.timeout_s,
        max_output=option("MAX_OUTPUT"),
        buffering=step.buffering,
    )


async def _sealed(place: _Place) -> bool:
    """Whether nothing of the attempt ran or will; RunnerError when the host cannot make sure of that now.

    Where the runner has no place nothing was carried out by it. A folder that is missing and cannot be made
    (the disk is full) says nothing about a start that is still on its way.
    """
    try:
        return await place.connection.seal(place.directory) == "sealed"
    except NothingWritable:
        return True
    except RunnerError:
        look = await place.connection.look(place.directory)
        if look.state == "missing":
            raise
        return look.state in {"sealed", "unstarted"}


async def _nothing_ran(place: _Place) -> bool:
    """After the runner said no to our own start: only a taken folder could mean that something runs."""
    try:
        return await _sealed(place)
    except RunnerError:
        return True  # there is no folder, or not even the runner: our start, which was answered, made none
