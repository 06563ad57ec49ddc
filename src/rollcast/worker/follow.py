"""Station 7: from what a host says to what the recorder stores, and to the word on how a step ended.

A follower that loses contact is no tragedy: the step goes on, and the next one begins at the mark.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from rollcast.remote.connector import (
    Ended,
    Gone,
    Item,
    LimitReached,
    Missing,
    Output,
    Refused,
    Started,
    TimedOut,
)
from rollcast.worker.output import OutputReader
from rollcast.worker.recorder import Recorder


@dataclass(frozen=True)
class Verdict:
    """What the host said last: exactly one of `ended`, `interrupted` (a reason) and `nothing_ran`."""

    ended: Ended | None = None
    interrupted: str = ""
    nothing_ran: bool = False
    taken: bool = False  # our start met a folder that was taken before: attach
    reason: str = ""  # why the host itself ended the step: "timeout" or "output_limit"
    detail: str = ""  # what is known about it, for a person


class ReadAgain(Exception):
    """Somebody else has stored a part that we read too: read on from the mark."""


class Follower:
    """Follows one step run to its end.

    Calls `on_answer` once, when the host says anything at all, and `on_started` when it says that it runs.
    """

    def __init__(
        self,
        reader: OutputReader,
        recorder: Recorder,
        on_started: Callable[[], None],
        on_answer: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._recorder = recorder
        self._on_started = on_started
        self._on_answer = on_answer
        self._outcome: asyncio.Future[bool] | None = None
        self._refused = False
        self._reason = ""
        self._flush: asyncio.TimerHandle | None = None
        self._answered = False
        self._heard_at = _now()
        self._listening = True  # for the host; else it is we who are slow

    def silent_s(self) -> float:
        """Seconds for which the host has said nothing although we listened."""
        return _now() - self._heard_at if self._listening else 0.0

    async def run(self, items: AsyncGenerator[Item, None]) -> Verdict:
        """Read to the end; all output is handed over, and stands, when the verdict is given.

        ContactLost if contact is lost first, ReadAgain if what was read does not fit to what is stored.
        """
        verdict = None
        try:
            async with aclosing(items):
                async for item in items:
                    if not self._answered:
                        self._answered = True
                        self._on_answer()
                    verdict = self._take(item) or verdict
                    if self._refused:
                        raise ReadAgain
                    if self._recorder.full:
                        # The channel's window fills, then the host's follower waits.
                        self._listening = False
                        await self._recorder.room()
                        self._listening = True
                    self._heard_at = _now()
        finally:
            if self._flush is not None:
                self._flush.cancel()
        await self.stored()
        assert verdict is not None  # an attachment that ends without a last word raises
        return verdict

    async def stored(self) -> None:
        """Store all that was read, whole lines or not; ReadAgain if it does not fit to what is stored."""
        self._listening = False
        self._hand_over(final=True)
        if self._outcome is not None and not await self._outcome:
            raise ReadAgain

    def _take(self, item: Item) -> Verdict | None:
        match item:
            case Output(data=data):
                self._reader.feed(data, _now())
                self._give_out()
            case Started():
                self._on_started()
            case TimedOut():
                self._reason = "timeout"
            case LimitReached():
                self._reason = "output_limit"
            case Ended():
                return Verdict(ended=item, reason=self._reason)
            case Missing():
                return Verdict(interrupted="missing")
            case Gone(state=state):
                return Verdict(interrupted=state)
            case Refused(why=why):
                return Verdict(nothing_ran=why != "taken", taken=why == "taken")
        return None

    def _give_out(self) -> None:
        """Hand over what is due, and come back for an unfinished line."""
        self._hand_over(final=False)
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        due = self._reader.due_at
        if due is not None:
            self._flush = asyncio.get_running_loop().call_at(due, self._give_out)

    def _hand_over(self, *, final: bool) -> None:
        before = self._reader.mark
        entry = self._reader.take(_now(), final=final)
        if entry is not None:
            self._outcome = self._recorder.hand_over(entry, cost=self._reader.mark - before)
            self._outcome.add_done_callback(self._note)

    def _note(self, outcome: asyncio.Future[bool]) -> None:
        if outcome.cancelled() or outcome.exception() is not None or not outcome.result():
            self._refused = True


def _now() -> float:
    return asyncio.get_running_loop().time()
