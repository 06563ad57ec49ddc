"""fanout_vs_tutorial: the server's CPU for a line that a viewer got, beside the Channels tutorial.

100 viewers look at 100 lines a second. Ours stores each line (synchronous FULL) before anybody sees it, and
hears each viewer's acknowledgements; the rival stores nothing and hears nothing. Each side's server is a
process of its own and makes its own lines (`bench.fanout_server`); the viewers are in this one, whose CPU
does not count.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.fanout_server import LINES_A_SECOND, SECONDS
from bench.figures import Pair, folder, ratio, say, say_figure, spread
from bench.viewers import FeedViewer, PlainViewer

VIEWERS: Final = 100
FLOOR: Final = 10.0
ROUNDS: Final = 3
# A server that has not begun, answered or delivered anything for so long never will.
START_S: Final = 60.0
FLOW_S: Final = 40.0
# Nothing new for so long: what is not here now was lost.
SILENCE_S: Final = 1.0


@dataclass(eq=False)
class Side:
    """A server and its viewers."""

    process: asyncio.subprocess.Process
    server: dict[str, Any]
    viewers: list[PlainViewer] = field(default_factory=list)
    sent: int = 0
    delivered: int = 0

    async def ask(self, word: str, limit_s: float = FLOW_S) -> dict[str, Any]:
        """The server's answer to a word."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n".encode())
        return await _answer(self.process, limit_s)

    async def connect(self, kind: type[PlainViewer]) -> None:
        """Let all viewers in."""
        loop = asyncio.get_running_loop()
        for _ in range(VIEWERS):
            _, viewer = await loop.create_connection(
                lambda: kind(self.server), "127.0.0.1", self.server["port"]
            )
            self.viewers.append(viewer)
        async with asyncio.timeout(START_S):
            await asyncio.gather(*(viewer.ready for viewer in self.viewers))

    @property
    def _lines(self) -> int:
        return sum(viewer.lines for viewer in self.viewers)

    async def round(self) -> float:
        """One flow of lines: the server's CPU seconds for each line that came."""
        cpu, before = (await self.ask("cpu"))["cpu_s"], self._lines
        sent = (await self.ask("flow"))["sent"] * VIEWERS
        now = -1
        while now < before + sent and now != self._lines:
            now = self._lines
            await asyncio.sleep(SILENCE_S)
        cpu = (await self.ask("cpu"))["cpu_s"] - cpu
        broken = {viewer.lost for viewer in self.viewers} - {""}
        assert not broken, broken
        self.sent += sent
        self.delivered += self._lines - before
        return float(cpu) / (self._lines - before)

    @property
    def account(self) -> str:
        """What became of the lines."""
        lost = self.sent - self.delivered
        return f"{self.delivered:,} of {self.sent:,} lines came, {lost:,} lost ({lost / self.sent:.1%})"


async def _answer(process: asyncio.subprocess.Process, limit_s: float) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(limit_s):
        said = await process.stdout.readline()
    if not said:
        raise RuntimeError(f"the server has ended ({process.returncode})")
    answer: dict[str, Any] = json.loads(said)
    return answer


@asynccontextmanager
async def running(name: str, home: Path) -> AsyncIterator[Side]:
    """A side whose viewers are all there."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.fanout_server", name, str(home)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    try:
        side = Side(process, await _answer(process, START_S))
        await side.connect(FeedViewer if name == "ours" else PlainViewer)
        yield side
        for viewer in side.viewers:
            viewer.leave()
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(START_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def compare(home: Path) -> list[Pair]:
    """Paired rounds, after one of each that does not count."""
    async with running("ours", home / "ours") as ours, running("rival", home / "rival") as rival:
        for side in (ours, rival):
            await side.round()
            side.sent = side.delivered = 0
        pairs = []
        for number in range(ROUNDS):
            first, second = (ours, rival) if number % 2 == 0 else (rival, ours)
            cost = {first: await first.round()}
            cost[second] = await second.round()
            pairs.append(Pair(cost[ours], cost[rival]))
    middle = sorted(pairs, key=lambda pair: pair.ratio)[len(pairs) // 2]
    say(
        f"  a line that came cost {middle.ours * 1e6:.1f} µs of the server's CPU, "
        f"{middle.rival * 1e6:.0f} µs by group_send = {spread(pairs)}"
    )
    say(f"  ours:  {ours.account}")
    say(f"  rival: {rival.account}")
    return pairs


def measure(home: Path) -> float:
    """The figure."""
    say(f"fanout_vs_tutorial: {VIEWERS} viewers, {LINES_A_SECOND} lines a second, {ROUNDS} × {SECONDS} s")
    return ratio(asyncio.run(compare(home)))


def main() -> None:
    """Measure in a folder of its own."""
    with folder() as home:
        say_figure("fanout_vs_tutorial", measure(home))


if __name__ == "__main__":
    main()
