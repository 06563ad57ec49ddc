"""How long it takes until somebody else holds what a process held that was ended.

A takeover begins when the process is struck and has happened when each row that it held has a holder with a
higher fence, or needs none any more. A process that held nothing is not taken over from. When the next one is
struck before it could take over, the count begins anew: what is measured is how long the work waits for
somebody, not how often somebody was killed.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rollcast.demo.crew import Post

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

    async def strike(self, posts: Sequence[Post], number: signal.Signals, pick: float) -> str:
        """End one of the posts, if possible one that holds something, and expect that this is taken over."""
        from rollcast.rollouts import leases

        held = await self._database(leases.holds, self._rollout_id)
        pids = {hold.pid for hold in held}
        choice = [post for post in posts if post.child.process.pid in pids] or posts
        post = choice[int(pick * len(choice))]
        pid, since = post.child.process.pid, time.monotonic()
        post.strike(number)
        fences = {hold.row: hold.fence for hold in held if hold.pid == pid}
        self._expected = [replace(expected, since=since) for expected in self._expected]
        if fences:
            self._expected.append(_Expected(pid, since, fences))
        return post.name

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

    def remarks(self) -> Iterator[str]:
        """What has never been taken over although it was not at its end."""
        for expected in self._expected:
            rows = ", ".join(expected.fences)
            seconds = time.monotonic() - expected.since
            yield f"nobody took over {rows} from process {expected.pid} in {seconds:.1f} s"
