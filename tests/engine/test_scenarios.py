"""The rule book, case by case: scenarios/*.yml say what is given and what is decided.

A target is written `name wave state [step/attempt[:step state[:reason]]] [retried] [reason=…]`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from rollcast.engine.decide import (
    Attach,
    AwaitPerson,
    Finish,
    Hold,
    MoveRollout,
    Snapshot,
    StartStep,
    StepRunView,
    Stop,
    TargetAction,
    TargetView,
    decide,
    next_action,
)
from rollcast.engine.recipe import Rerun, Step
from rollcast.engine.states import RolloutState, StepState, TargetState, Wanted

FOLDER: Final = Path(__file__).with_name("scenarios")
NOW: Final = 1_763_900_000.0
STEPS: Final = tuple(
    Step(rerun.value, "run", timeout_s=60, rerun=rerun, script="true")
    for rerun in (Rerun.ASK, Rerun.ALWAYS, Rerun.NEVER)
)
_STEP_RUN: Final = re.compile(r"(\d+)/(\d+)(?::([a-z]+))?(?::([a-z_]+))?")


def scenarios(*names: str) -> list[Any]:
    """The scenarios of these files, named by what they say."""
    return [
        pytest.param(item, id=item["it"])
        for name in names
        for item in yaml.safe_load((FOLDER / name).read_text("utf-8"))
    ]


def target(line: str, number: int) -> TargetView:
    """A target from its line."""
    name, wave, state, *rest = line.split()
    step_index, latest, reason = 0, None, ""
    for word in rest:
        match = _STEP_RUN.fullmatch(word)
        if word.startswith("reason="):
            reason = word.removeprefix("reason=")
        elif match:
            step_index = int(match[1])
            if match[3]:
                retried = "retried" in rest
                latest = StepRunView(step_index, int(match[2]), StepState(match[3]), match[4] or "", retried)
    return TargetView(number, name, int(wave), TargetState(state), step_index, reason, latest)


@pytest.mark.parametrize("scenario", scenarios("waves.yml", "budget.yml", "people.yml"))
def test_a_rollout_is_decided(scenario: dict[str, Any]) -> None:
    targets = tuple(target(line, i) for i, line in enumerate(scenario["targets"].splitlines()))
    names = {item.id: item.name for item in targets}
    snapshot = Snapshot(
        RolloutState(scenario.get("state", "running")),
        Wanted(scenario.get("wanted", "run")),
        scenario.get("parallel", 10),
        scenario.get("limit", 2),
        targets,
    )
    decided = []
    for command in decide(snapshot, NOW):
        if isinstance(command, MoveRollout):
            decided.append(f"rollout -> {command.state} {command.reason}".strip())
        else:
            change = f"{command.old} -> {command.new} {command.reason}"
            decided.append(f"{names[command.target_id]} {change}".strip())
    assert decided == scenario["then"].splitlines()


@pytest.mark.parametrize("scenario", scenarios("next_action.yml"))
def test_a_target_s_next_action_is_decided(scenario: dict[str, Any]) -> None:
    action = next_action(target(scenario["target"], 1), STEPS, Wanted(scenario.get("wanted", "run")))
    assert in_words(action) == scenario["then"]


def in_words(action: TargetAction) -> str:
    """An action as the scenario files write it."""
    match action:
        case StartStep(step, attempt):
            return f"start {step}/{attempt}"
        case Attach(step, attempt):
            return f"attach {step}/{attempt}"
        case Stop(step, attempt):
            return f"stop {step}/{attempt}"
        case AwaitPerson(reason):
            return f"await {reason}"
        case Finish(state, reason):
            return f"finish {state} {reason}".strip()
        case Hold():
            return "hold"
