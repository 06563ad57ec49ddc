"""Many drills, one line each, and their sum: `make drills ARGS="--seeds 1-200 --seconds 15 --parallel 2"`.

Each seed is a `rollcast drill` of its own with a fresh home, database and ports. Exits with 0 only if all
passed; what the others said is kept in `.drills/`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEPT = Path(".drills")


@dataclass(frozen=True)
class Outcome:
    """One drill: what its last line says (empty if it had none), and each takeover's seconds."""

    seed: int
    code: int
    said: dict[str, Any]
    takeovers: list[float]
    style: str

    def line(self) -> str:
        """It in one line."""
        lines = self.said.get("lines", {})
        return (
            f"seed {self.seed:4} {self.style:8} {'closed' if self.code == 0 else 'OPEN  '} "
            f"{lines.get('received', 0):6} lines  lost {self.said.get('lost', '?')} "
            f"repeated {self.said.get('repeated', '?')} disordered {self.said.get('disordered', '?')}  "
            f"{sum(self.said.get('faults', {}).values())} faults  "
            f"{len(self.takeovers)} takeovers, {max(self.takeovers, default=0.0):.1f} s  "
            f"{self.said.get('seconds', 0)} s"
        )


def drill(seed: int, seconds: float, hosts: int) -> Outcome:
    """Run one; of one that did not pass all is kept."""
    with tempfile.TemporaryDirectory(prefix=f"rollcast-drills-{seed}-") as folder:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "rollcast.cli", "drill", "--json"),
                *("--seed", str(seed), "--seconds", str(seconds), "--hosts", str(hosts)),
            ],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=os.environ | {"TMPDIR": folder},
        )
    if done.returncode:
        KEPT.mkdir(exist_ok=True)
        (KEPT / f"seed-{seed}.txt").write_text(f"{done.stdout}\n{done.stderr}", "utf-8")
    said = [json.loads(line) for line in done.stdout.splitlines()]
    return Outcome(
        seed,
        done.returncode,
        said[-1] if said and "closed" in said[-1] else {},
        [line["takeover_s"] for line in said if "rows" in line],
        next((line["style"] for line in said if "style" in line), "?"),
    )


def numbers(text: str) -> Iterator[int]:
    """1-200 or 3,7,9."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def main() -> int:
    """Run them and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="1-6", help="1-200, or 3,7,9 (default: 1-6)")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--hosts", type=int, default=8)
    parser.add_argument("--parallel", type=int, default=2, help="how many at a time (default: 2)")
    given = parser.parse_args()
    outcomes = []
    with ThreadPoolExecutor(given.parallel) as pool:
        for outcome in pool.map(lambda seed: drill(seed, given.seconds, given.hosts), numbers(given.seeds)):
            outcomes.append(outcome)
            sys.stdout.write(f"{outcome.line()}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{total(outcomes)}\n")
    return 0 if all(outcome.code == 0 for outcome in outcomes) else 1


def total(outcomes: list[Outcome]) -> str:
    """All of them together."""
    faults: Counter[str] = Counter()
    for outcome in outcomes:
        faults.update(outcome.said.get("faults", {}))
    takeovers = [seconds for outcome in outcomes for seconds in outcome.takeovers]
    lines = sum(outcome.said.get("lines", {}).get("received", 0) for outcome in outcomes)
    return (
        f"{sum(outcome.code == 0 for outcome in outcomes)} of {len(outcomes)} passed, {lines} lines\n"
        f"{faults.total()} faults: {', '.join(f'{n} {kind}' for kind, n in sorted(faults.items()))}\n"
        f"{len(takeovers)} takeovers, the longest {max(takeovers, default=0.0):.1f} s"
    )


if __name__ == "__main__":
    raise SystemExit(main())
