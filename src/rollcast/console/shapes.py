"""What goes in and out of the API, as the OpenAPI document shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from ninja import Field, Schema
from ninja.errors import ValidationError
from pydantic import ConfigDict

from rollcast.console.said import say_all
from rollcast.rollouts import actions
from rollcast.rollouts.recipe_files import RecipeFile


class Body(Schema):
    """What a request brings. A misspelt key is refused: in silence, `selecter` would mean all hosts."""

    model_config = ConfigDict(extra="forbid")


class Problem(Schema):
    """One thing that is wrong: what, where, and how to cure it."""

    code: str
    message: str
    cure: str
    file: str | None
    line: int | None
    field: str | None


class Problems(Schema):
    """The answer to bad input (422) and to what the state forbids (409)."""

    problems: list[Problem]


class HostKey(Schema):
    """A host key and what was decided about it: `pinned`, `pending` or `revoked`."""

    algorithm: str
    fingerprint: str
    state: str


class Host(Schema):
    """A machine of the inventory."""

    name: str
    address: str
    port: int
    user: str
    key_file: str
    labels: dict[str, str]
    connector: str
    encoding: str
    keys: list[HostKey]
    key_state: str


class Import(Body):
    """The text of an inventory file; the file's name says which kind it is (`.csv`, `.yml`)."""

    filename: str
    text: str


class ImportReport(Schema):
    """The names of the hosts that an import made, changed, and found as they are."""

    created: list[str]
    updated: list[str]
    unchanged: list[str]


class Trust(Body):
    """Which key to trust; without a fingerprint the one that the host showed last."""

    fingerprint: str | None = None


class RecipeText(Body):
    """A recipe's text; `filename` only names it in problems."""

    text: str
    filename: str = ""


class Parameter(Schema):
    """A value that a start asks for."""

    name: str
    type: str
    required: bool
    default: str | None
    pattern: str | None
    choices: list[str]
    description: str


class RecipeListed(Schema):
    """A recipe file; `problems` says why it cannot be used."""

    name: str
    title: str
    description: str
    file: str
    sha256: str
    parameters: list[Parameter]
    steps: list[str]
    problems: list[Problem]


class Start(Body):
    """What to start; what is left out is taken from the recipe's defaults."""

    recipe: str
    params: dict[str, Any] = Field(default_factory=dict)
    selector: str = ""
    waves: str = ""
    parallel: int | None = None
    failure_budget: str = ""
    idempotency_key: str | None = None

    def to_request(self) -> actions.StartRequest:
        """The same as the actions take it."""
        return actions.StartRequest(**self.dict())


class Preview(Schema):
    """What a start would do: host names per wave, and how many failures are within the budget."""

    recipe: str
    title: str
    steps: list[str]
    params: dict[str, str]
    selector: str
    waves: list[list[str]]
    parallel: int
    failure_limit: int
    hosts: int


class Started(Schema):
    """The rollout and its page."""

    id: int
    url: str


class Accepted(Schema):
    """The request was written down; the worker carries it out."""

    id: int


class Status(Schema):
    """What keeps rollouts from going on, and since when (Unix time in ms); null: nothing does."""

    problem: Problem | None
    since_ms: int | None


class Retry(Body):
    """Names of the targets to run again; without them all that failed or wait for a person."""

    targets: list[str] | None = None


class Accept(Body):
    """Names of the targets whose cancel their hosts did not confirm, and why it is accepted like that."""

    targets: list[str]
    reason: str


class LiveFeed(Schema):
    """The figures of `livefeed.metrics.Snapshot`, by their names there; times in Unix milliseconds."""

    since_ms: int | None
    connections: dict[str, int]
    subscriptions: int
    readers: int
    lag: int
    messages: int
    bytes: int
    resets: dict[str, int]
    closes: dict[int, int]
    refused: dict[str, int]
    bell_misses: int
    reader_failures: int


def recipe_listed(found: RecipeFile) -> RecipeListed:
    """A recipe file as the API lists it."""
    recipe = found.recipe
    return RecipeListed(
        name=found.name,
        title=recipe.title if recipe else "",
        description=recipe.description if recipe else "",
        file=found.file,
        sha256=found.sha256,
        parameters=[Parameter.from_orm(parameter) for parameter in recipe.parameters] if recipe else [],
        steps=[step.name for step in recipe.steps] if recipe else [],
        problems=[Problem.from_orm(problem) for problem in say_all(found.problems)],
    )


def preview(found: actions.Preview) -> Preview:
    """A preview as the API answers it."""
    return Preview(
        recipe=found.recipe,
        title=found.title,
        steps=list(found.steps),
        params=dict(found.params),
        selector=found.selector,
        waves=[list(names) for names in found.waves],
        parallel=found.parallel,
        failure_limit=found.failure_limit,
        hosts=sum(len(names) for names in found.waves),
    )


def body_problems(error: ValidationError) -> list[dict[str, Any]]:
    """A body of the wrong shape as problems: the field's path and what the check said, in English."""
    return [
        {
            "code": "body",
            "message": _("This key is unknown.") if _is_extra(found) else str(found.get("msg", "")),
            "cure": _("openapi.json lists the keys that belong here, and the type of each."),
            "file": None,
            "line": None,
            "field": ".".join(str(part) for part in found.get("loc", ())[2:]) or None,
        }
        for found in error.errors
    ]


def _is_extra(found: Mapping[str, Any]) -> bool:
    return found.get("type") == "extra_forbidden"
