"""The drills that are asked for on the demo's page, carried out by the `rollcast demo` process."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any, Final, NoReturn

from rollcast.demo import asking
from rollcast.demo.drill import Drill
from rollcast.demo.stage import Stage

# A person who pressed a button sees within this time that something happens.
_LOOK_S: Final = 0.3


async def carry_out_drills(stage: Stage) -> NoReturn:
    """Do what is asked for, one drill after the other, for ever."""
    while True:
        seconds = asking.asked(stage.home)
        if seconds is not None:
            await _drill(stage, seconds)
        await asyncio.sleep(_LOOK_S)


async def _drill(stage: Stage, seconds: float) -> None:
    state: dict[str, Any] = {
        "seconds": seconds,
        "began_ms": round(time.time() * 1000),
        "running": True,
        "rollout": None,
        "faults": [],
        "took": [],
        "account": None,
        "remarks": [],
    }

    def tell(said: dict[str, object]) -> None:
        if "fault" in said:
            state["faults"].append(said)
        elif "takeover_s" in said:
            state["took"].append(said["takeover_s"])
        else:
            state["rollout"] = said["rollout"]
        asking.say(stage.home, state)

    asking.say(stage.home, state)
    asking.drop(stage.home)
    began = time.monotonic()
    try:
        drilled = await Drill(stage, secrets.randbelow(1_000_000), seconds, "together", tell).run()
    except OSError as error:
        state["remarks"] = [str(error)]
    else:
        took = round(time.monotonic() - began, 1)
        state["account"] = drilled.as_json(hosts=stage.hosts, seconds=took)
        state["remarks"] = list(drilled.remarks)
    finally:
        state["running"] = False
        asking.say(stage.home, state)
