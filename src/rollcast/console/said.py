"""Problems in the reader's language: rooms raise them as templates, doors say them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from django.utils.translation import gettext

from rollcast.console import words
from rollcast.engine.problems import InputError, Problem
from rollcast.rollouts.troubles import TROUBLES, trouble_of

# Parameters of problems whose values are marked words of ours, not what a person wrote.
OUR_WORDS: Final = frozenset({"expected", "kind"})


@dataclass(frozen=True)
class SaidProblem:
    """A problem as pages and API show it; the fields are those of the API's answer."""

    code: str
    message: str
    cure: str
    file: str | None
    line: int | None
    field: str | None

    @property
    def where(self) -> str:
        """`recipes/x.yml, line 12, steps[2].timeout`, as far as known; "" if nowhere."""
        line = gettext("line %(line)s") % {"line": self.line} if self.line is not None else None
        return ", ".join(part for part in (self.file, line, self.field) if part)

    def as_json(self) -> dict[str, str | int | None]:
        """The object of the API's list."""
        return asdict(self)


def say(problem: Problem) -> SaidProblem:
    """The problem in the active language."""
    params = dict(problem.params)
    for name in OUR_WORDS & params.keys():
        params[name] = gettext(str(params[name]))
    if "state" in params:  # a state's code is shown as its word
        params["state"] = words.state_word(str(params["state"])).lower()
    return SaidProblem(
        code=problem.code,
        message=gettext(problem.template) % params,
        cure=gettext(problem.cure) % params if problem.cure else "",
        file=problem.file,
        line=problem.line,
        field=problem.field,
    )


def say_all(error: InputError | Iterable[Problem]) -> list[SaidProblem]:
    """Every problem of an error, in its order."""
    found = error.problems if isinstance(error, InputError) else error
    return [say(problem) for problem in found]


def say_trouble(target: Mapping[str, Any]) -> dict[str, str | int | None] | None:
    """Why this target of a rollout's page did not take part, and the cure; None if that is not so."""
    trouble = trouble_of(target)
    return None if trouble is None else say(trouble).as_json()


def cures() -> dict[str, str]:
    """Reason of a failed target -> its cure, with `%(host)s` and `%(address)s` still to be filled in."""
    return {reason: gettext(cure) for reason, (_, cure) in TROUBLES.items()}
