"""`rollcast drill`: a stage of its own for one drill, and what is printed of it.

Everything is fresh (folder, database, ports, keys) and gone afterwards, unless a folder is given.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rollcast.demo.account import Sabotage, account_text
from rollcast.demo.drill import Drill, Drilled
from rollcast.demo.drill_plan import Style
from rollcast.demo.stage import CONSOLES_FROM, free_port, kept, set_up, tell_why, temporary_home

# The fake servers' speed: a host is through in some seconds, so that many steps begin and end during a drill.
SPEED: Final = 5.0
WORKERS: Final = 2


def run_drill(
    *,
    seed: int,
    seconds: float,
    hosts: int,
    style: Style,
    home: Path | None,
    as_json: bool,
    how: Sabotage | None,
) -> int:
    """Run one drill and print its account; 0 only if it passed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()

    def progress(said: dict[str, object]) -> None:
        print(json.dumps(said) if as_json else _shown(said), flush=True)

    with _home(home) as folder:
        try:
            with set_up(
                folder,
                hosts=hosts,
                speed=SPEED,
                port=free_port(),
                ports_from=random.randrange(10_000, CONSOLES_FROM),
                quiet=True,
                workers=WORKERS if style == "apart" else 0,
            ) as stage:
                drill = Drill(stage, seed, seconds, style, progress, how)
                drilled = asyncio.run(kept(stage, drill.run()))
        except Exception:
            tell_why(folder)
            raise
        if not drilled.passed and how is None:
            tell_why(folder)
    for remark in drilled.remarks:
        print(remark, file=sys.stderr, flush=True)
    said = drilled.as_json(hosts=hosts, seconds=round(time.monotonic() - began, 1))
    print(json.dumps(said) if as_json else _account(said, drilled), flush=True)
    return 0 if drilled.passed else 1


@contextmanager
def _home(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with temporary_home("rollcast-drill-") as home:
        yield home


def _shown(said: dict[str, Any]) -> str:
    if "fault" in said:
        return f"{said['at_s']:6} s  {said['fault']}: {', '.join(said['hit'])}"
    if "takeover_s" in said:
        return f"          taken over within {said['takeover_s']} s: {said['rows']} rows"
    return f"drill {said['seed']}, processes {said['style']}: rollout {said['rollout']}"


def _account(said: dict[str, Any], drilled: Drilled) -> str:
    faults = ", ".join(f"{n} {kind}" for kind, n in drilled.faults.items())
    took = ", ".join(f"{seconds:.1f} s" for seconds in drilled.takeovers)
    return f"faults: {faults or 'none'}\ntakeovers: {took or 'none'}\n{account_text(said)}"
