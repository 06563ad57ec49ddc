"""How long it takes until somebody else holds what a process held that was ended.

A takeover begins when the process is struck and has happened when each row that it held has a holder with a
higher fence, or needs none any more. A process that held nothing is not taken over from.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rollcast.worker.database import Database

_POLL_S: Final = 0.1


@dataclass(frozen=True)
class _Expected:
    pid: int
    since: float
    fences: dict[str, int]  # row → the fence by which the ended process held it


class Takeovers:
    """The takeovers of one rollout; `took` has the seconds of each, in the order in which they happened."""

    def __init__(self, rollout_id: int, database: Database, say: Callable[[dict[str, object]], None]) -> None:
        self._rollout_id = rollout_id
        self._database = database
        self._say = say
        self._expected: list[_Expected] = []
        self.took: list[float] = []

    async def expect(self, pid: int, strike: Callable[[], None]) -> None:
        """Strike the process, and expect that what it holds at that moment is taken over."""
        from rollcast.rollouts import leases

        held = await self._database(leases.holds, self._rollout_id)
        since = time.monotonic()
        strike()
        fences = {hold.row: hold.fence for hold in held if hold.pid == pid}
        if fences:
            self._expected.append(_Expected(pid, since, fences))

    async def watch(self) -> None:
        """Look for ever."""
        while True:
            if self._expected:
                await self._look()
            await asyncio.sleep(_POLL_S)

    async def _look(self) -> None:
        from rollcast.rollouts import leases

        holds = {hold.row: hold for hold in await self._database(leases.holds, self._rollout_id)}
        now = time.monotonic()
        for expected in list(self._expected):
            waiting = [
                row
                for row, fence in expected.fences.items()
                if row in holds and (holds[row].fence <= fence or holds[row].pid is None)
            ]
            if not waiting:
                self._expected.remove(expected)
                self.took.append(now - expected.since)
                self._say({"takeover_s": round(now - expected.since, 1), "rows": len(expected.fences)})

    def remarks(self, at_most_s: float) -> Iterator[str]:
        """What took too long, or never happened although the rollout has not ended."""
        for seconds in self.took:
            if seconds > at_most_s:
                yield f"a takeover took {seconds:.1f} s"
        now = time.monotonic()
        for expected in self._expected:
            if now - expected.since > at_most_s:
                rows = ", ".join(expected.fences)
                yield f"nobody took over {rows} from process {expected.pid} in {now - expected.since:.1f} s"
