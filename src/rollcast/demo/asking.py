"""How the demo's page and the `rollcast demo` process, which carries a drill out, hear each other.

By two files in the demo's folder: `drill.asked` from the page, made only if it is not there, so that two
clicks are one drill; and `drill.json`, what the process says of the present or the last drill:

    {"seconds", "began_ms", "running", "rollout", "took": [seconds of each takeover],
     "faults": [{"at_s", "fault", "hit": [name, …]}, …],
     "account": as `rollcast drill --json` or null, "remarks": [text, …]}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ASKED = "drill.asked"
SAID = "drill.json"


def ask(home: Path, seconds: float) -> bool:
    """Ask for a drill; False if one was asked for or is under way."""
    told = said(home)
    if told is not None and told["running"]:
        return False
    try:
        with (home / ASKED).open("x", encoding="utf-8") as file:
            json.dump({"seconds": seconds}, file)
    except FileExistsError:
        return False
    return True


def asked(home: Path) -> float | None:
    """For how many seconds a drill was asked for; None if none was. It stays so until `drop`."""
    try:
        return float(json.loads((home / ASKED).read_text("utf-8"))["seconds"])
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def drop(home: Path) -> None:
    """What was asked for is under way, or was asked of a process that has ended."""
    (home / ASKED).unlink(missing_ok=True)


def say(home: Path, state: dict[str, Any]) -> None:
    """Say how the drill stands."""
    unfinished = home / f"{SAID}.new"
    unfinished.write_text(json.dumps(state), "utf-8")
    unfinished.rename(home / SAID)


def said(home: Path) -> dict[str, Any] | None:
    """How the present or the last drill stands; None before the first."""
    try:
        state: dict[str, Any] = json.loads((home / SAID).read_text("utf-8"))
    except FileNotFoundError:
        return None
    return state


def forget_unfinished(home: Path) -> None:
    """A drill of a process that was killed is no longer under way."""
    drop(home)
    state = said(home)
    if state is not None and state["running"]:
        (home / SAID).unlink()
