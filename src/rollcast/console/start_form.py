"""The start form: a recipe's parameters and a rollout's settings as fields, and back to a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from django.utils.translation import gettext as _

from rollcast.console.said import SaidProblem, say_all
from rollcast.engine.problems import InputError, Problem, gettext_noop
from rollcast.engine.recipe import Parameter, Recipe
from rollcast.rollouts.actions import StartRequest

PARAMETER: Final = "parameters."
# `Problem.field` of the settings; a problem about anything else is shown above the form.
SETTINGS: Final = ("selector", "waves", "parallel", "failure_budget")


@dataclass
class FormField:
    """One field as the template draws it. `name` is also the `field` of its problems."""

    name: str
    label: str
    value: str
    kind: str = "string"  # a parameter's type
    hint: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False
    pattern: str = ""
    mono: bool = False
    problems: list[SaidProblem] = field(default_factory=list)

    @property
    def html_id(self) -> str:
        """An id without dots, so that selectors need no escapes."""
        return "field-" + self.name.replace(".", "-")

    @property
    def checked(self) -> bool:
        """Whether a boolean's box is ticked."""
        return self.value == "true"


@dataclass
class StartForm:
    """All fields, and the problems that belong to none of them."""

    recipe: Recipe
    parameters: list[FormField]
    settings: list[FormField]
    problems: list[SaidProblem] = field(default_factory=list)

    def place(self, error: InputError | Iterable[Problem]) -> None:
        """Put each problem beside its field."""
        fields = {one.name: one for one in (*self.parameters, *self.settings)}
        for problem in say_all(error):
            name = (problem.field or "").partition("[")[0]
            (fields[name].problems if name in fields else self.problems).append(problem)


def start_form(recipe: Recipe, typed: Mapping[str, str] | None = None, selector: str = "") -> StartForm:
    """The form of a recipe: what was typed, at first the recipe's defaults (and `selector`)."""
    form = StartForm(
        recipe,
        [_parameter_field(parameter, typed) for parameter in recipe.parameters],
        [_setting_field(name, recipe, typed) for name in SETTINGS],
    )
    if selector:
        form.settings[0].value = selector
    return form


def start_request(recipe: Recipe, typed: Mapping[str, str]) -> StartRequest:
    """What was typed as the action takes it; InputError for a `parallel` that is no number."""
    params: dict[str, object] = {}
    for parameter in recipe.parameters:
        text = typed.get(PARAMETER + parameter.name, "")
        if parameter.type == "boolean":
            params[parameter.name] = text == "true"
        elif text:
            params[parameter.name] = text
    return StartRequest(
        recipe=recipe.name,
        params=params,
        selector=typed.get("selector", "").strip(),
        waves=typed.get("waves", "").strip(),
        parallel=_parallel(typed.get("parallel", "").strip()),
        failure_budget=typed.get("failure_budget", "").strip(),
        idempotency_key=typed.get("idempotency_key") or None,
    )


def _parallel(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise InputError(
            Problem(
                "parallel_number",
                gettext_noop("“%(text)s” is no whole number."),
                {"text": text},
                gettext_noop("Say how many hosts may be under way at once, for example 10."),
                field="parallel",
            )
        )
    return int(text)


def _parameter_field(parameter: Parameter, typed: Mapping[str, str] | None) -> FormField:
    name = PARAMETER + parameter.name
    return FormField(
        name=name,
        label=parameter.name,
        value=(parameter.default or "") if typed is None else typed.get(name, ""),
        kind=parameter.type,
        hint=parameter.description,
        choices=parameter.choices,
        required=parameter.required,
        pattern=parameter.pattern or "",
        mono=True,
    )


def _setting_field(name: str, recipe: Recipe, typed: Mapping[str, str] | None) -> FormField:
    default = getattr(recipe.defaults, name)
    label, hint = _setting_texts()[name]
    return FormField(
        name=name,
        label=label,
        value=("" if default is None else str(default)) if typed is None else typed.get(name, ""),
        hint=hint,
        mono=True,
    )


def _setting_texts() -> dict[str, tuple[str, str]]:
    return {
        "selector": (
            _("Selector"),
            _("Which hosts: zone=eu,us tag!=maint name~bj-*; an asterisk means all of them."),
        ),
        "waves": (_("Waves"), _("Hosts that go together, one wave after the other: 1, 25%, rest")),
        "parallel": (_("Parallel"), _("How many hosts are under way at once.")),
        "failure_budget": (
            _("Failure budget"),
            _("How many hosts may fail, a number or a percentage. Beyond it nothing more starts."),
        ),
    }
