"""What the rules look at: a rollout as its rows stood at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from rollcast.engine.states import STEP_BUSY, RolloutState, StepState, StopEvidence, TargetState, Wanted


@dataclass(frozen=True)
class StepRunView:
    """One attempt. `retried`: a person allowed one more attempt after this one."""

    step_index: int
    attempt: int
    state: StepState
    reason: str = ""
    retried: bool = False
    stop_evidence: StopEvidence | None = None  # None: nobody has tried to stop it


@dataclass(frozen=True)
class TargetView:
    """One host in a rollout. `latest` is the newest step run of `step_index`, None if there is none."""

    id: int
    name: str
    wave: int
    state: TargetState
    step_index: int = 0
    reason: str = ""
    latest: StepRunView | None = None

    @property
    def busy(self) -> bool:
        """Whether a process of ours may be living on the host."""
        return self.latest is not None and self.latest.state in STEP_BUSY


@dataclass(frozen=True)
class Snapshot:
    """A rollout with all of its targets, as the rows stood at one moment."""

    state: RolloutState
    wanted: Wanted
    parallel: int
    failure_limit: int
    targets: tuple[TargetView, ...]
