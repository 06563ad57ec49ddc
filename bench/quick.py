"""`make bench-quick`: every figure, one after the other, each in a process of its own.

The last line is one JSON object of the figures. The exit code is 1 if one of them is below its floor.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Final

from bench import append_vs_orm, fanout_vs_tutorial
from bench.figures import say

# None: a figure without a floor.
FLOORS: Final[dict[str, float | None]] = {
    "append_vs_orm": append_vs_orm.FLOOR,
    "fanout_vs_tutorial": fanout_vs_tutorial.FLOOR,
    "command_vs_bare": None,
}


def figure(name: str) -> float:
    """Run one bench; its lines are passed on but for the last, which is the figure."""
    command = [sys.executable, "-m", f"bench.{name}"]
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if last:
                say(last)
            last = line.rstrip("\n")
    if process.returncode:
        raise SystemExit(f"bench.{name} has failed ({process.returncode})")
    value: float = json.loads(last)[name]
    return value


def main() -> int:
    """Measure, say, judge."""
    began = time.monotonic()
    figures = {name: figure(name) for name in FLOORS}
    below = [name for name, floor in FLOORS.items() if floor is not None and figures[name] < floor]
    for name in below:
        say(f"{name} is below its floor of {FLOORS[name]:g}")
    say(f"{time.monotonic() - began:.0f} s")
    say(json.dumps(figures))
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
