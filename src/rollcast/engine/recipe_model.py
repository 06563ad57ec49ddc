"""What a recipe is once it was read: immutable values, every duration in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

StepKind = Literal["run", "upload", "check", "wait"]
ParameterType = Literal["string", "integer", "boolean", "choice"]

# The keys that a recipe file may have, by place. `recipe_reference.yml` shows and explains each of them; a
# test proves that the two are the same, so that an unknown key is whatever does not stand in the reference.
SCHEMA: Final[Mapping[str, tuple[str, ...]]] = {
    "": ("name", "title", "description", "parameters", "defaults", "steps"),
    "parameters.*": ("type", "required", "default", "pattern", "choices", "description"),
    "defaults": ("selector", "waves", "parallel", "failure_budget"),
    "steps[]": ("name", "run", "upload", "check", "wait", "timeout", "rerun", "buffering"),
    "steps[].upload": ("file", "to", "mode"),
    "steps[].check": ("command", "every", "deadline", "on_deadline"),
}
KINDS: Final[tuple[StepKind, ...]] = ("run", "upload", "check", "wait")
PARAMETER_TYPES: Final[tuple[ParameterType, ...]] = ("string", "integer", "boolean", "choice")


class Rerun(StrEnum):
    """What happens with a step that was interrupted: nobody knows how far it came."""

    ALWAYS = "always"
    NEVER = "never"
    ASK = "ask"


@dataclass(frozen=True)
class Parameter:
    """A value given at the start; it reaches steps as an environment variable, never as script text."""

    name: str
    type: ParameterType = "string"
    required: bool = False
    default: str | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    description: str = ""

    @property
    def env_name(self) -> str:
        """The environment variable's name on the host."""
        return self.name.upper()


@dataclass(frozen=True)
class Step:
    """One step. Fields that its kind does not have keep their defaults."""

    name: str
    kind: StepKind
    timeout_s: float
    rerun: Rerun = Rerun.ASK
    script: str = ""  # run: the shell text; check: the command that is repeated
    file: str = ""  # upload: name below the files folder, with {parameter} places
    to: str = ""  # upload: path on the host, relative to the home unless absolute
    mode: int = 0o644  # upload: permission bits
    every_s: float = 0.0  # check
    deadline_s: float = 0.0  # check
    on_deadline: Literal["fail", "go_on"] = "fail"  # check
    seconds: float = 0.0  # wait
    buffering: Literal["line", "as-is"] = "line"


@dataclass(frozen=True)
class Defaults:
    """What a start takes when nothing else is asked for; None = the recipe says nothing."""

    selector: str | None = None
    waves: str | None = None
    parallel: int | None = None
    failure_budget: str | None = None


@dataclass(frozen=True)
class Recipe:
    """The ordered work on a host."""

    name: str
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    steps: tuple[Step, ...]
    defaults: Defaults = field(default_factory=Defaults)
