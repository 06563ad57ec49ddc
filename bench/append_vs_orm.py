"""append_vs_orm: lines stored in a CPU second, `livefeed.append` beside Django's `bulk_create`.

A tick brings output of 24 origins. Ours stores it with marks (a repeated append is a no-op) and index rows
(one lane is read without decoding all). The rival takes its numbers by the same UPDATE … RETURNING, in one
transaction with a `bulk_create` of a row a line that holds the same fields; it has one unique index, and no
marks. Both write into the
same database file, with the settings that Rollcast ships: WAL, synchronous FULL, BEGIN IMMEDIATE.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.figures import Pair, folder, in_pairs, ratio, say, say_figure, spread
from bench.output import lines

if TYPE_CHECKING:
    from bench.orm import Rival

ORIGINS: Final = 24
FLOOR: Final = 10.0
ROUNDS: Final = 5
TICKS: Final = 24  # a round of each side
CREATED: Final = 200  # lines a round by `create()`: a commit each

Tick = Sequence[tuple[int, list[str]]]  # (origin, its lines)


def ticks_of(count: int, size: int) -> list[Tick]:
    """`count` ticks of `size` lines, shared out among the origins."""
    texts = lines(count * size)
    share, more = divmod(size, ORIGINS)
    ticks: list[Tick] = []
    for _ in range(count):
        tick = []
        for origin in range(ORIGINS):
            many = share + (origin < more)
            tick.append((origin, texts[:many]))
            del texts[:many]
        ticks.append(tick)
    return ticks


class Ours:
    """A feed that is appended to."""

    def __init__(self) -> None:
        self._marks = [0] * ORIGINS
        self.lines = 0

    def store(self, tick: Tick) -> None:
        """One append: a chunk per origin, each with its marks in bytes of its journal."""
        from livefeed import Chunk, append

        chunks = []
        for origin, texts in tick:
            before = self._marks[origin]
            self._marks[origin] = before + sum(len(text) + 1 for text in texts)
            chunks.append(Chunk(f"t{origin}", "line", texts, f"t{origin}/s0/a1", before, self._marks[origin]))
        results = append("bench/append", chunks)
        assert all(result.status == "stored" for result in results)
        self.lines += sum(len(texts) for _, texts in tick)


def clocks(store: Callable[[Tick], None], ticks: Sequence[Tick]) -> tuple[float, float]:
    """(CPU seconds, seconds) that storing took."""
    wall, cpu = time.perf_counter(), time.process_time()
    for tick in ticks:
        store(tick)
    return time.process_time() - cpu, time.perf_counter() - wall


def compare(ours: Ours, rival: Rival, size: int, rounds: int) -> list[Pair]:
    """Paired rounds at this size of a tick, and a line about them."""
    ticks = ticks_of(TICKS, size)
    seconds: dict[str, list[float]] = {"ours": [], "rival": []}

    def cpu_of(side: str, store: Callable[[Tick], None]) -> float:
        cpu, wall = clocks(store, ticks)
        seconds[side].append(wall)
        return cpu

    for store in (ours.store, rival.store):
        store(ticks[0])
    pairs = in_pairs(rounds, lambda: cpu_of("ours", ours.store), lambda: cpu_of("rival", rival.store))
    stored = TICKS * size
    middle = sorted(pairs, key=lambda pair: pair.ratio)[len(pairs) // 2]
    wall = sorted(r / o for o, r in zip(seconds["ours"], seconds["rival"], strict=True))[rounds // 2]
    say(
        f"  {size:5} lines a tick: {stored / middle.ours:9,.0f} lines a CPU second beside "
        f"{stored / middle.rival:7,.0f} by bulk_create = {spread(pairs)}; by the clock {wall:.1f}"
    )
    return pairs


def compare_with_create(ours: Ours, rival: Rival) -> None:
    """A line about `create()` a line, against our ticks of 1,000."""
    ticks = ticks_of(1, CREATED)
    large = ticks_of(TICKS, 1000)
    pairs = in_pairs(
        3,
        lambda: clocks(ours.store, large)[0] / (TICKS * 1000),
        lambda: clocks(rival.store_one_by_one, ticks)[0] / CREATED,
    )
    middle = sorted(pairs, key=lambda pair: pair.ratio)[1]
    say(f"  create() a line:   {1 / middle.rival:9,.0f} lines a CPU second = {spread(pairs)}")


def measure(home: Path) -> float:
    """The figure; says all of them."""
    from rollcast.config.boot import configure

    configure(home)
    from bench.orm import Rival

    ours, rival = Ours(), Rival()
    say(f"append_vs_orm: {ORIGINS} origins, SQLite (WAL, synchronous FULL, IMMEDIATE)")
    figure = ratio(compare(ours, rival, 1000, ROUNDS))
    compare(ours, rival, 250, ROUNDS)
    compare_with_create(ours, rival)

    from livefeed import head

    assert head("bench/append").head == ours.lines
    assert rival.count() == rival.lines
    return figure


def main() -> None:
    """Measure in a folder of its own."""
    with folder() as home:
        say_figure("append_vs_orm", measure(home))


if __name__ == "__main__":
    main()
