"""How a ratio is made: paired rounds, CPU seconds, medians.

Whatever else runs on the machine slows both sides of a pair alike, and CPU seconds do not count the time in
which somebody else had the processor. So each round measures both sides one right after the other, in turns
first, and the figure is the median of the rounds' own ratios.
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """One round: what each side cost, in the same unit; less is better."""

    ours: float
    rival: float

    @property
    def ratio(self) -> float:
        """How many times the rival costs what we cost."""
        return self.rival / self.ours


def in_pairs(rounds: int, ours: Callable[[], float], rival: Callable[[], float]) -> list[Pair]:
    """Measure both sides `rounds` times; who begins alternates."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            cost = rival()
            pairs.append(Pair(ours(), cost))
        else:
            cost = ours()
            pairs.append(Pair(cost, rival()))
    return pairs


def ratio(pairs: Sequence[Pair]) -> float:
    """The figure: the median of the rounds' ratios."""
    return statistics.median(pair.ratio for pair in pairs)


def spread(pairs: Sequence[Pair]) -> str:
    """The figure with the least and the greatest round beside it."""
    ratios = [pair.ratio for pair in pairs]
    return f"{statistics.median(ratios):.2f} (rounds {min(ratios):.2f} to {max(ratios):.2f})"


def say(text: str = "") -> None:
    """A line for the reader, at once."""
    print(text, flush=True)


def say_figure(name: str, value: float) -> None:
    """The last line of a bench: its figure as JSON."""
    say(json.dumps({name: round(value, 2)}))


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="rollcast-bench-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)
