"""What is read: the engine's snapshot, a target's plan for its worker, and what pages and API show.

The page of a rollout reads the feed's head FIRST and the rows after it, without a transaction: what happened
in between is then in the rows and comes once more as events, which carry the row's version and are dropped by
it. Read the other way round, it would be in neither.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.db.models import Count, Max

import livefeed
from rollcast.conf import option
from rollcast.engine.problems import InputError
from rollcast.engine.recipe import Recipe, Step
from rollcast.engine.snapshot import Snapshot, StepRunView, TargetView
from rollcast.engine.states import (
    WAITING_REASONS,
    RolloutState,
    StepState,
    StopEvidence,
    TargetState,
    Wanted,
)
from rollcast.fleet.queries import host_spec
from rollcast.remote.connector import HostSpec
from rollcast.rollouts.keys import feed_key, origin_key
from rollcast.rollouts.models import Artifact, RecipeRevision, Rollout, StepRun, Target
from rollcast.rollouts.recipe_files import parse_recipe
from rollcast.rollouts.shown import rollout_json, run_json, target_json

# ---- for the conductor -------------------------------------------------------------------------------------


def snapshot_of(row: Rollout) -> Snapshot:
    """What `engine.decide` looks at, of a rollout's row that was just read."""
    targets = list(Target.objects.filter(rollout=row).order_by("pk"))
    latest = _latest_runs(StepRun.objects.filter(target__rollout=row).order_by("attempt"), targets)
    return Snapshot(
        state=RolloutState(row.state),
        wanted=Wanted(row.wanted),
        parallel=row.parallel,
        failure_limit=row.failure_limit,
        targets=tuple(_target_view(target, latest.get(target.pk)) for target in targets),
    )


def _latest_runs(runs: Iterable[StepRun], targets: Iterable[Target]) -> dict[int, StepRun]:
    """The last attempt of each target's current step; `runs` come in the order of their attempts."""
    current = {target.pk: target.step_index for target in targets}
    return {run.target_id: run for run in runs if current.get(run.target_id) == run.step_index}


def _target_view(target: Target, latest: StepRun | None) -> TargetView:
    view = None
    if latest is not None:
        view = StepRunView(
            latest.step_index,
            latest.attempt,
            StepState(latest.state),
            latest.reason,
            latest.retried,
            StopEvidence(latest.stop_evidence) if latest.stop_evidence else None,
        )
    return TargetView(
        id=target.pk,
        name=target.name,
        wave=target.wave,
        state=TargetState(target.state),
        step_index=target.step_index,
        reason=target.reason,
        latest=view,
    )


# ---- for the worker of a target ----------------------------------------------------------------------------


@dataclass(frozen=True)
class RunRow:
    """What the worker has to know of a step run's row."""

    step_index: int
    attempt: int
    state: StepState
    started_at: float | None  # Unix time in seconds
    stretches: tuple[tuple[int, int, str], ...]
    stop_evidence: str
    detail: str = ""  # what was said of its failure


@dataclass(frozen=True)
class TargetPlan:
    """Everything that the worker of one target works from, as of now."""

    rollout_id: int
    worker_id: int | None
    fence: int
    wanted: Wanted
    wish: int  # the rollout's version: another one while it is cancelled means that somebody asked again
    view: TargetView
    since: float  # Unix time in seconds at which the target came into its state
    latest: RunRow | None
    starts_sent: frozenset[int]  # step indexes of which there are rows
    recipe: Recipe
    unreadable: str  # what is wrong with the recipe, of which `recipe` is then no more than a stand-in; or ""
    params: Mapping[str, str]
    host_id: int | None
    spec: HostSpec | None  # None = the host was removed from the fleet
    files: Mapping[str, tuple[Path, str]]  # name in the recipe -> path here, SHA-256

    @property
    def steps(self) -> tuple[Step, ...]:
        """The recipe's steps."""
        return self.recipe.steps


@dataclass(frozen=True)
class HeldTarget:
    """What tells a worker that the plan of a target of its own has changed."""

    id: int
    fence: int
    rollout_id: int
    stamp: tuple[int, int]  # versions of target and rollout


def targets_of_worker(worker_id: int, states: Iterable[TargetState]) -> list[HeldTarget]:
    """The targets that the worker holds in one of the states, oldest first."""
    rows = Target.objects.filter(worker=worker_id, state__in=[state.value for state in states])
    values = rows.order_by("pk").values_list("pk", "fence", "rollout_id", "version", "rollout__version")
    return [HeldTarget(pk, fence, rollout, (own, whole)) for pk, fence, rollout, own, whole in values]


def target_plan(target_id: int) -> TargetPlan:
    """The plan of a target; LookupError for an unknown id."""
    rows = Target.objects.select_related("rollout__revision", "host__credential")
    target = rows.filter(pk=target_id).first()
    if target is None:
        raise LookupError(f"there is no target {target_id}")
    rollout = target.rollout
    runs = list(StepRun.objects.filter(target=target).order_by("attempt"))
    latest = _latest_runs(runs, [target]).get(target.pk)
    recipe, unreadable = _recipe_or_stand_in(
        rollout.revision, 1 + max((r.step_index for r in runs), default=-1)
    )
    return TargetPlan(
        rollout_id=rollout.pk,
        worker_id=target.worker_id,
        fence=target.fence,
        wanted=Wanted(rollout.wanted),
        wish=rollout.version,
        view=_target_view(target, latest),
        since=target.since.timestamp(),
        latest=None if latest is None else _run_row(latest),
        starts_sent=frozenset(run.step_index for run in runs),
        recipe=recipe,
        unreadable=unreadable,
        params=rollout.params,
        host_id=target.host_id,
        spec=None if target.host is None else host_spec(target.host),
        files=_files_of(rollout.files),
    )


def mark(rollout_id: int, target_id: int, step_index: int, attempt: int) -> int:
    """The offset up to which the step run's journal is stored."""
    return livefeed.mark(feed_key(rollout_id), origin_key(target_id, step_index, attempt))


@lru_cache(maxsize=64)
def _recipe_of(sha256: str, text: str) -> Recipe:
    """A revision never changes: its text is read once per process."""
    return parse_recipe(text)


def _recipe_or_stand_in(revision: RecipeRevision, n_steps: int) -> tuple[Recipe, str]:
    """The recipe and "", or one of `n_steps` nameless steps and what is wrong with its text."""
    try:
        return _recipe_of(revision.sha256, revision.text), ""
    except InputError as error:
        steps = tuple(Step(name="?", kind="run", timeout_s=0.0) for _ in range(n_steps))
        return Recipe(revision.name, "", "", (), steps), str(error)


def _run_row(run: StepRun) -> RunRow:
    return RunRow(
        step_index=run.step_index,
        attempt=run.attempt,
        state=StepState(run.state),
        started_at=None if run.started_at is None else run.started_at.timestamp(),
        stretches=tuple((start, end, digest) for start, end, digest in run.stretches),
        stop_evidence=run.stop_evidence,
        detail=run.detail,
    )


def _files_of(files: Mapping[str, int]) -> dict[str, tuple[Path, str]]:
    if not files:
        return {}
    rows = Artifact.objects.in_bulk(list(files.values()))
    return {name: (Path(rows[pk].path), rows[pk].sha256) for name, pk in files.items()}


# ---- for pages and API -------------------------------------------------------------------------------------


def rollout_page(rollout_id: int) -> dict[str, Any]:
    """The rollout page's snapshot (JSON); LookupError for an unknown id."""
    try:
        feed = livefeed.head(feed_key(rollout_id))
    except livefeed.FeedNotFound as error:
        raise LookupError(f"there is no rollout {rollout_id}") from error
    row = Rollout.objects.select_related("revision").filter(pk=rollout_id).first()
    if row is None:
        raise LookupError(f"there is no rollout {rollout_id}")
    targets = list(Target.objects.filter(rollout=row).order_by("wave", "name"))
    runs: dict[int, list[dict[str, Any]]] = {target.pk: [] for target in targets}
    for run in (
        StepRun.objects.filter(target__rollout=row).order_by("step_index", "attempt").defer("stretches")
    ):
        runs[run.target_id].append(run_json(run))
    waves: dict[int, int] = {}
    for target in targets:
        waves[target.wave] = waves.get(target.wave, 0) + 1
    n_begun = 1 + max((run["step"] for one in runs.values() for run in one), default=-1)
    recipe, _ = _recipe_or_stand_in(row.revision, n_begun)
    return {
        "feed": {"key": feed.key, "epoch": feed.epoch, "head": feed.head, "closed": feed.closed},
        "rollout": rollout_json(row),
        "steps": [{"index": i, "name": step.name, "kind": step.kind} for i, step in enumerate(recipe.steps)],
        "waves": [{"no": no, "n": n} for no, n in sorted(waves.items())],
        "targets": [target_json(target, runs[target.pk]) for target in targets],
    }


def rollout_list(page: int = 1, states: Iterable[str] = ()) -> dict[str, Any]:
    """One page of the rollouts (in one of the `states`, if any are given), newest first.

    `{"rollouts": […], "page", "pages", "total"}`; each rollout has its `targets` by state and, as `waiting`,
    how many of them wait for a person.
    """
    chosen = Rollout.objects.select_related("revision").order_by("-pk")
    wanted = list(states)
    if wanted:
        chosen = chosen.filter(state__in=wanted)
    size: int = option("PAGE_SIZE")
    total = chosen.count()
    pages = max(1, -(-total // size))
    number = min(max(page, 1), pages)
    rows = list(chosen[(number - 1) * size : number * size])
    targets: dict[int, dict[str, int]] = {row.pk: {} for row in rows}
    waiting = dict.fromkeys(targets, 0)
    grouped = Target.objects.filter(rollout__in=rows).values_list("rollout_id", "state", "reason")
    for rollout_id, state, reason, n in grouped.annotate(n=Count("pk")).order_by("rollout_id", "state"):
        targets[rollout_id][state] = targets[rollout_id].get(state, 0) + n
        if state == TargetState.RUNNING.value and reason in WAITING_REASONS:
            waiting[rollout_id] += n
    return {
        "rollouts": [
            {**rollout_json(row), "targets": targets[row.pk], "waiting": waiting[row.pk]} for row in rows
        ],
        "page": number,
        "pages": pages,
        "total": total,
    }


def rollouts_of_host(name: str, limit: int = 20) -> list[dict[str, Any]]:
    """The newest rollouts that had this host as a target: their JSON with the host's `target` in it."""
    rows = Target.objects.filter(name=name).select_related("rollout__revision").order_by("-pk")[:limit]
    return [{**rollout_json(row.rollout), "target": target_json(row, [])} for row in rows]


def last_targets(names: Collection[str]) -> dict[str, dict[str, Any]]:
    """By host name its newest target's JSON, with the `rollout`'s id and title."""
    mine = Target.objects.filter(host__name__in=names)
    newest = mine.order_by("host").values("host").annotate(newest=Max("pk")).values_list("newest", flat=True)
    return {
        row.name: {**target_json(row, []), "rollout": {"id": row.rollout_id, "title": row.rollout.title}}
        for row in Target.objects.filter(pk__in=list(newest)).select_related("rollout")
    }


def journal_account(rollout_id: int) -> list[dict[str, Any]]:
    """Per step run what is stored of its journal: origin, bytes by mark, verified bytes and SHA-256."""
    runs = StepRun.objects.filter(target__rollout=rollout_id).select_related("target")
    rows = list(runs.order_by("target_id", "step_index", "attempt"))
    marks = livefeed.marks(feed_key(rollout_id), [_origin_of(run) for run in rows])
    return [
        {
            "target": run.target_id,
            "name": run.target.name,
            "step": run.step_index,
            "attempt": run.attempt,
            "origin": _origin_of(run),
            "state": run.state,
            "stored_bytes": marks.get(_origin_of(run), 0),
            "journal_bytes": run.journal_bytes,
            "journal_sha256": run.journal_sha256,
            "stretches": run.stretches,
            "after_end_bytes": run.after_end_bytes,
        }
        for run in rows
    ]


def _origin_of(run: StepRun) -> str:
    return origin_key(run.target_id, run.step_index, run.attempt)
