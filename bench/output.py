"""Lines as a fleet writes them: the same for both sides of every bench."""

from __future__ import annotations

import random

_TEXTS = (
    "{at} INFO  world {n:05d} loaded, {k} entities, {ms} ms",
    "{at} INFO  player {n:08d} moved to zone {k}, {ms} ms",
    "{at} WARN  tick took {ms} ms, {k} players on line",
    "copied data/scripts-{n:05d}.pak ({k} kB)",
    "checking {n:05d}.pak … ok",
    "Collecting build artefact {n} of {k} ({ms} ms)",
)


def lines(count: int) -> list[str]:
    """So many lines of 25 to 60 characters; the same at each call."""
    rng = random.Random(count)
    return [
        rng.choice(_TEXTS).format(
            at=f"12:{i // 6000 % 60:02d}:{i // 100 % 60:02d}.{i % 100:02d}",
            n=rng.randrange(100_000),
            k=rng.randrange(5000),
            ms=rng.randrange(400),
        )
        for i in range(count)
    ]
