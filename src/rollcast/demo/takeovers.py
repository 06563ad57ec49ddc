"""How long it takes until somebody else holds what a process held that was ended.

A takeover begins when the process is struck and has happened when each row that it held has a holder with a
higher fence, or needs none any more. A process that held nothing is not taken over from. When the next worker
is struck before it could take over, the count begins anew: what is measured is how long the work waits for
somebody, not how often somebody was killed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from rollcast.demo.crew import Post

if TYPE_CHECKING:
    from rollcast.rollouts.leases import Hold

_POLL_S: Final = 0.1
# With the default settings: ten seconds until a lease has lapsed, and five to notice it and go on.
PROMISED_S: Final = 15.0
# `worker.database.Database`, asked for nothing else.
_Ask: TypeAlias = "Callable[[Callable[[int], list[Hold]], int], Awaitable[list[Hold]]]"


@dataclass(frozen=True)
class _Expected:
    pid: int
    since: float
    fences: dict[str, int]  # row → the fence by which the ended process held it


class Takeovers:
    """The takeovers of one rollout; `took` has the seconds of each, in the order in which they happened."""

    def __init__(
        self,
        rollout_id: int,
        database: _Ask,
        say: Callable[[dict[str, object]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rollout_id = rollout_id
        self._database = database
        self._say = say
        self._clock = clock
        self._expected: list[_Expected] = []
        self.took: list[float] = []

    async def choose(self, posts: Sequence[Post], pick: float) -> tuple[Post, list[Hold]]:
        """One of the posts, if possible one that holds something, and who holds what now."""
        from rollcast.rollouts import leases

        held = await self._database(leases.holds, self._rollout_id)
        pids = {hold.pid for hold in held}
        choice = [post for post in posts if post.child.process.pid in pids] or posts
        return choice[int(pick * len(choice))], held

    def expect(self, pid: int, held: Sequence[Hold], *, works: bool = True) -> None:
        """This process was struck just now: what it held is to be taken over. Does it have a worker in it?"""
        if any(expected.pid == pid for expected in self._expected):
            return  # frozen before and killed now: it is waited for already
        since = self._clock()
        if works:
            self._expected = [replace(expected, since=since) for expected in self._expected]
        fences = {hold.row: hold.fence for hold in held if hold.pid == pid}
        if fences:
            self._expected.append(_Expected(pid, since, fences))

    async def watch(self) -> None:
        """Look for ever."""
        while True:
            if self._expected:
                await self.look()
            await asyncio.sleep(_POLL_S)

    async def look(self) -> None:
        """See what has been taken over by now."""
        from rollcast.rollouts import leases

        holds = {hold.row: hold for hold in await self._database(leases.holds, self._rollout_id)}
        now = self._clock()
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

    def remarks(self) -> Iterator[str]:
        """Which takeovers took longer than we promise, and what never came to one although it had to."""
        for seconds in self.took:
            if seconds > PROMISED_S:
                yield f"a takeover took {seconds:.1f} s, and not at most {PROMISED_S:g} s"
        for expected in self._expected:
            rows = ", ".join(expected.fences)
            seconds = self._clock() - expected.since
            yield f"nobody took over {rows} from process {expected.pid} in {seconds:.1f} s"
