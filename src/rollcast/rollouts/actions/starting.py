"""Preview and start: from what a person asked for to rows, in one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from django.db import IntegrityError, transaction

from rollcast import dispatch
from rollcast.access import audit
from rollcast.conf import files_folder, option
from rollcast.engine import events
from rollcast.engine.budget import parse_budget
from rollcast.engine.problems import InputError, Problem, gettext_noop
from rollcast.engine.recipe import Recipe, bind_parameters, upload_names
from rollcast.engine.states import RolloutState, TargetState, Wanted
from rollcast.engine.waves import plan_waves
from rollcast.fleet import queries as fleet_queries
from rollcast.fleet.models import Host
from rollcast.rollouts.actions.ledger import Ledger, one_transaction
from rollcast.rollouts.actions.people import NotPossible
from rollcast.rollouts.models import Artifact, RecipeRevision, Rollout, Target
from rollcast.rollouts.recipe_files import RecipeFile, find_recipe

# What a start takes when neither the request nor the recipe says anything: careful rather than quick.
DEFAULT_WAVES: Final = "rest"
DEFAULT_PARALLEL: Final = 10
DEFAULT_BUDGET: Final = "0"
# A key is typed or made by a program; longer ones do not fit the column.
MAX_KEY_CHARS: Final = 200
_READ_BYTES: Final = 1024 * 1024

T = TypeVar("T")


@dataclass(frozen=True)
class StartRequest:
    """What to start. None and "" mean the recipe's default; "*" selects all hosts in any case."""

    recipe: str
    params: Mapping[str, object] = field(default_factory=dict)
    selector: str = ""
    waves: str = ""
    parallel: int | None = None
    failure_budget: str = ""
    idempotency_key: str | None = None


@dataclass(frozen=True)
class UploadedFile:
    """A file that the rollout will upload: its name in the recipe, its place and what is in it."""

    name: str
    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Preview:
    """What a start would do: `waves` are host names, `params` the bound texts."""

    recipe: str
    title: str
    steps: tuple[str, ...]
    params: Mapping[str, str]
    selector: str
    waves_text: str
    waves: Sequence[Sequence[str]]
    parallel: int
    failure_budget: str
    failure_limit: int
    files: Sequence[UploadedFile]


@dataclass(frozen=True)
class _Plan:
    source: RecipeFile
    hosts: Mapping[str, Host]
    preview: Preview


def preview_rollout(request: StartRequest) -> Preview:
    """What `start_rollout` would do, which hosts in which waves; InputError with all problems."""
    return _plan(request).preview


def start_rollout(request: StartRequest, actor: str) -> int:
    """Start a rollout and answer its id at once; workers carry it out.

    The same request with the same `idempotency_key` again answers the same id and starts nothing; NotPossible
    if the key was used for another request. InputError with all problems, and nothing is left behind.
    """
    known = _started_before(request)
    if known is not None:
        return known
    plan = _plan(request)
    try:
        with transaction.atomic():
            return _write(plan, request, actor)
    except IntegrityError:
        # Somebody else has used the key between the look and the write.
        known = _started_before(request)
        if known is None:
            raise
        return known


def _started_before(request: StartRequest) -> int | None:
    if not request.idempotency_key:
        return None
    if len(request.idempotency_key) > MAX_KEY_CHARS:
        raise InputError(
            Problem(
                "key_too_long",
                gettext_noop("The idempotency key has more than %(most)d characters."),
                {"most": MAX_KEY_CHARS},
                gettext_noop("A random UUID is enough."),
                field="idempotency_key",
            )
        )
    row = Rollout.objects.filter(idempotency_key=request.idempotency_key).first()
    if row is None:
        return None
    if row.request_sha256 not in {"", _request_sha256(request)}:  # rows of an earlier version have none
        raise NotPossible(
            Problem(
                "key_used",
                gettext_noop("Rollout %(rollout)d was started with this key, but with other settings."),
                {"rollout": row.pk},
                gettext_noop("Another start needs a new key; nothing was started now."),
                field="idempotency_key",
            )
        )
    return row.pk


def _request_sha256(request: StartRequest) -> str:
    """A digest of what was asked for, whether it came from a form, as JSON or from the command line."""
    asked = {
        "recipe": request.recipe,
        "params": {name: _as_typed(value) for name, value in request.params.items()},
        "selector": request.selector,
        "waves": request.waves,
        "parallel": request.parallel,
        "failure_budget": request.failure_budget,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def _as_typed(value: object) -> str:
    """A parameter's value as a form has it: 7 and "7", true and "true" are the same to every recipe."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plan(request: StartRequest) -> _Plan:
    """Everything that must hold before a row is written; all problems at once."""
    source = find_recipe(request.recipe)
    recipe = source.recipe
    assert recipe is not None  # find_recipe raises for a wrong file
    problems: list[Problem] = []
    selector = request.selector or recipe.defaults.selector or ""
    waves_text = request.waves or recipe.defaults.waves or DEFAULT_WAVES
    budget_text = request.failure_budget or recipe.defaults.failure_budget or DEFAULT_BUDGET
    parallel = _checked(problems, lambda: _parallel(request.parallel, recipe.defaults.parallel))
    bound = _checked(problems, lambda: bind_parameters(recipe, request.params))
    hosts = _checked(problems, lambda: fleet_queries.select_hosts(selector))
    budget = _checked(problems, lambda: parse_budget(budget_text))
    names = [host.name for host in hosts or ()]
    waves = _checked(problems, lambda: plan_waves(waves_text, names)) if names else []
    files = None if bound is None else _checked(problems, lambda: _files(recipe, bound))
    if problems or None in (parallel, bound, hosts, budget, waves, files):
        raise InputError(problems)
    assert parallel
    assert bound is not None
    assert hosts
    assert budget
    assert waves
    assert files is not None
    preview = Preview(
        recipe=recipe.name,
        title=recipe.title or recipe.name,
        steps=tuple(step.name for step in recipe.steps),
        params=bound,
        selector=selector,
        waves_text=waves_text,
        waves=waves,
        parallel=parallel,
        failure_budget=budget_text,
        failure_limit=budget.limit(len(hosts)),
        files=files,
    )
    return _Plan(source, {host.name: host for host in hosts}, preview)


def _checked(problems: list[Problem], look: Callable[[], T]) -> T | None:
    try:
        return look()
    except InputError as error:
        problems.extend(error.problems)
        return None


def _parallel(*wanted: int | None) -> int:
    """The first one that was given; InputError if that many are not possible."""
    most: int = option("MAX_PARALLEL")
    parallel = next((number for number in wanted if number is not None), DEFAULT_PARALLEL)
    if not 1 <= parallel <= most:
        raise InputError(
            Problem(
                "parallel_range",
                gettext_noop("%(parallel)d hosts at a time are not possible."),
                {"parallel": parallel, "most": most},
                gettext_noop("Give a number from 1 to %(most)d."),
                field="parallel",
            )
        )
    return parallel


def _files(recipe: Recipe, bound: Mapping[str, str]) -> list[UploadedFile]:
    """The files that the upload steps need, read and hashed; InputError for each that is missing."""
    found: list[UploadedFile] = []
    problems: list[Problem] = []
    for name in dict.fromkeys(upload_names(recipe, bound)):
        path = files_folder() / name
        try:
            size, digest = _size_and_sha256(path)
        except OSError as error:
            problems.append(
                Problem(
                    "file_missing",
                    gettext_noop("The file “%(name)s” to upload cannot be read: %(why)s."),
                    {"name": name, "why": error.strerror or str(error), "folder": str(files_folder())},
                    gettext_noop("Put it into %(folder)s."),
                    field="files",
                )
            )
        else:
            found.append(UploadedFile(name, path, size, digest))
    if problems:
        raise InputError(problems)
    return found


def _size_and_sha256(path: Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def _write(plan: _Plan, request: StartRequest, actor: str) -> int:
    preview = plan.preview
    with one_transaction() as ledger:
        rollout = _rollout_row(plan, request, actor, ledger)
        _target_rows(plan, rollout, ledger)
        ledger.told(rollout.pk, events.ROLLOUT_STARTED, actor, recipe=preview.recipe, hosts=len(plan.hosts))
        audit.record(
            actor,
            events.ROLLOUT_STARTED,
            f"rollout/{rollout.pk}",
            {
                "recipe": preview.recipe,
                "sha256": plan.source.sha256,
                "params": dict(preview.params),
                "selector": preview.selector,
                "hosts": len(plan.hosts),
            },
        )
    dispatch.hint(rollout.pk)
    return rollout.pk


def _rollout_row(plan: _Plan, request: StartRequest, actor: str, ledger: Ledger) -> Rollout:
    preview, source = plan.preview, plan.source
    revision, _ = RecipeRevision.objects.get_or_create(
        name=preview.recipe, sha256=source.sha256, defaults={"text": source.text}
    )
    files: dict[str, int] = {}
    for file in preview.files:
        artifact, _ = Artifact.objects.get_or_create(
            sha256=file.sha256, path=str(file.path), defaults={"size": file.size}
        )
        files[file.name] = artifact.pk
    return Rollout.objects.create(
        revision=revision,
        title=preview.title,
        params=dict(preview.params),
        files=files,
        selector=preview.selector,
        waves=preview.waves_text,
        parallel=preview.parallel,
        failure_budget=preview.failure_budget,
        failure_limit=preview.failure_limit,
        state=RolloutState.PENDING.value,
        wanted=Wanted.RUN.value,
        idempotency_key=request.idempotency_key or None,
        request_sha256=_request_sha256(request) if request.idempotency_key else "",
        created_by=actor,
        created_at=ledger.at,
    )


def _target_rows(plan: _Plan, rollout: Rollout, ledger: Ledger) -> None:
    Target.objects.bulk_create(
        Target(
            rollout=rollout,
            host=plan.hosts[name],
            name=name,
            address=f"{plan.hosts[name].address}:{plan.hosts[name].port}",
            wave=wave,
            state=TargetState.PENDING.value,
            since=ledger.at,
        )
        for wave, names in enumerate(plan.preview.waves)
        for name in names
    )
