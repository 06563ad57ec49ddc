"""A recipe's parameters: read from its file, bound to the values of a start, handed to steps.

Promise: no value a person types ever becomes part of a script's text. Why true: steps get values only as
environment variables (`environment`), and file names only through `fill`, whose outcome `upload_names`
judges. What would break it: formatting a value into `Step.script`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from rollcast.engine.problems import InputError, Problem, gettext_noop, listed, nearest
from rollcast.engine.recipe_fields import Reading
from rollcast.engine.recipe_model import PARAMETER_TYPES, SCHEMA, Parameter, ParameterType, Recipe

# Longest value, in characters: an environment shares its space with the step's arguments.
MAX_VALUE_CHARS: Final = 4096
# Names are upper-cased into environment variables.
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}", flags=re.ASCII)
_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_INTEGER: Final = re.compile(r"[+-]?\d{1,18}", flags=re.ASCII)
# Variables that a shell, the loader or the runner reads: a parameter of this name would change how the step
# runs.
RESERVED: Final = frozenset(
    {
        "PATH",
        "HOME",
        "IFS",
        "ENV",
        "SHELL",
        "USER",
        "LOGNAME",
        "PWD",
        "OLDPWD",
        "PPID",
        "UID",
        "EUID",
        "TERM",
        "LANG",
        "LANGUAGE",
        "TMPDIR",
        "CDPATH",
        "MAIL",
        "MAILPATH",
        "PS1",
        "PS2",
        "PS3",
        "PS4",
        "OPTIND",
        "OPTARG",
        "OPTERR",
        "LINENO",
        "SECONDS",
        "RANDOM",
        "HOSTNAME",
        "SHELLOPTS",
        "BASHOPTS",
        "FUNCNEST",
        "GLOBIGNORE",
        "HISTFILE",
        "POSIXLY_CORRECT",
        "PROMPT_COMMAND",
        "TZDIR",
        "NLSPATH",
        "PERL5LIB",
        "PERL5OPT",
        "RUBYOPT",
        "RUBYLIB",
        "NODE_OPTIONS",
        "DISPLAY",
    }
)
RESERVED_PREFIXES: Final = ("LD_", "LC_", "BASH_", "PYTHON", "SSH_", "SUDO_", "ROLLCAST_", "XDG_")


def read_parameters(reading: Reading, value: object) -> tuple[Parameter, ...]:
    """The `parameters` block of a recipe."""
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        reading.wrong_type("parameters", gettext_noop("key: value pairs"), value)
        return ()
    parameters = []
    for name, spec in value.items():
        field = f"parameters.{name}"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            reading.add(
                field,
                "parameter_name",
                gettext_noop("“%(name)s” cannot be a parameter's name."),
                gettext_noop("Use a lower-case letter, then letters, digits and _ (at most 40)."),
                name=name,
            )
            continue
        if is_reserved(name.upper()):
            reading.add(
                field,
                "parameter_reserved",
                gettext_noop("A parameter “%(name)s” would set the environment variable %(env)s."),
                gettext_noop("That changes how the step itself runs: choose another name."),
                name=name,
                env=name.upper(),
            )
            continue
        parameters.append(_read_parameter(reading, name, {} if spec is None else spec))
    return tuple(parameters)


def is_reserved(env_name: str) -> bool:
    """Whether an environment variable of this name is not for parameters."""
    return env_name in RESERVED or env_name.startswith(RESERVED_PREFIXES)


def _read_parameter(reading: Reading, name: str, spec: object) -> Parameter:
    field = f"parameters.{name}"
    given = reading.mapping(spec, field, SCHEMA["parameters.*"])
    if given is None:
        return Parameter(name)
    kind: ParameterType = reading.one_of(given, field, "type", PARAMETER_TYPES, "string")
    required = given.get("required", False)
    if not isinstance(required, bool):
        reading.wrong_type(f"{field}.required", gettext_noop("true or false"), required)
        required = False
    if required and "default" in given:
        reading.add(
            f"{field}.default",
            "default_of_required",
            gettext_noop("A required parameter cannot have a default."),
            gettext_noop("Remove one of the two."),
        )
    parameter = Parameter(
        name,
        kind,
        required,
        None,
        _read_pattern(reading, given, field, kind),
        _read_choices(reading, given, field, kind),
        reading.text(given, field, "description"),
    )
    if given.get("default") is None:
        return parameter
    outcome = _bound(parameter, given["default"])
    if isinstance(outcome, Problem):
        reading.keep(outcome, f"{field}.default")
        return parameter
    return Parameter(
        name, kind, required, outcome, parameter.pattern, parameter.choices, parameter.description
    )


def _read_pattern(
    reading: Reading, given: Mapping[str, object], field: str, kind: ParameterType
) -> str | None:
    if "pattern" not in given:
        return None
    pattern = reading.text(given, field, "pattern")
    if kind != "string":
        reading.add(
            f"{field}.pattern",
            "pattern_of_other_type",
            gettext_noop("Only parameters of type string can have a pattern, this one is of type %(type)s."),
            gettext_noop("Remove the pattern, or make the type string."),
            type=kind,
        )
        return None
    try:
        re.compile(pattern)
    except re.error as error:
        reading.add(
            f"{field}.pattern",
            "pattern_shape",
            gettext_noop("This pattern is no regular expression: %(error)s."),
            gettext_noop("Mend it; in YAML, single quotes keep backslashes as they are."),
            error=error,
        )
        return None
    return pattern


def _read_choices(
    reading: Reading, given: Mapping[str, object], field: str, kind: ParameterType
) -> tuple[str, ...]:
    choices = given.get("choices")
    if kind != "choice":
        if choices is not None:
            reading.add(
                f"{field}.choices",
                "choices_of_other_type",
                gettext_noop("Only parameters of type choice have choices, this one is of type %(type)s."),
                gettext_noop("Make the type choice, or remove them."),
                type=kind,
            )
        return ()
    if (
        not isinstance(choices, list | tuple)
        or not choices
        or not all(isinstance(item, str) for item in choices)
    ):
        reading.wrong_type(f"{field}.choices", gettext_noop("a list of texts"), choices)
        return ()
    return tuple(str(item) for item in choices)


def bind_parameters(recipe: Recipe, given: Mapping[str, object]) -> dict[str, str]:
    """Each parameter's text: as given, else its default, else empty; InputError (`parameters.<name>`)."""
    known = {parameter.name: parameter for parameter in recipe.parameters}
    problems = [_unknown(name, list(known)) for name in given if name not in known]
    bound: dict[str, str] = {}
    for parameter in recipe.parameters:
        value = given.get(parameter.name)
        if value is None or value == "":
            if parameter.required:
                problems.append(_required(parameter.name))
            bound[parameter.name] = parameter.default or ""
            continue
        outcome = _bound(parameter, value)
        if isinstance(outcome, Problem):
            problems.append(outcome.at(field=f"parameters.{parameter.name}"))
        else:
            bound[parameter.name] = outcome
    if problems:
        raise InputError(problems)
    return bound


def environment(recipe: Recipe, bound: Mapping[str, str]) -> dict[str, str]:
    """Environment variable -> value, for every step of the recipe."""
    return {parameter.env_name: bound[parameter.name] for parameter in recipe.parameters}


def places(template: str) -> list[str]:
    """The names that stand in braces in a file name."""
    return _PLACE.findall(template)


def fill(template: str, bound: Mapping[str, str]) -> str:
    """A file name with its `{parameter}` places filled in; the recipe was checked, so all are known."""
    return _PLACE.sub(lambda match: bound[match[1]], template)


def upload_names(recipe: Recipe, bound: Mapping[str, str]) -> list[str]:
    """The files that the recipe uploads, below the files folder; InputError if a value leads out of it."""
    problems: list[Problem] = []
    names: list[str] = []
    for index, step in enumerate(recipe.steps):
        if step.kind != "upload":
            continue
        name = fill(step.file, bound)
        names.append(name)
        for key, path in (("file", name), ("to", fill(step.to, bound))):
            problem = path_problem(path, may_be_absolute=key == "to")
            if problem is not None:
                problems.append(problem.at(field=f"steps[{index}].upload.{key}"))
    if problems:
        raise InputError(problems)
    return names


def path_problem(path: str, *, may_be_absolute: bool) -> Problem | None:
    """What is wrong with a path to upload from or to, or None."""
    if not path or path.endswith("/") or any(ord(char) < 32 for char in path):
        template = gettext_noop("“%(path)s” is no file name.")
    elif ".." in path.split("/"):
        template = gettext_noop("“%(path)s” leads out of its folder.")
    elif path.startswith("~"):
        template = gettext_noop("“%(path)s” begins with ~, which no shell resolves here.")
    elif path.startswith("/") and not may_be_absolute:
        template = gettext_noop("“%(path)s” is an absolute path.")
    else:
        return None
    cure = (
        gettext_noop("Write a path relative to the home on the host, or an absolute one, without “..”.")
        if may_be_absolute
        else gettext_noop("Write a path relative to the files folder, without “..”.")
    )
    return Problem("upload_path", template, {"path": path}, cure)


def _bound(parameter: Parameter, value: object) -> str | Problem:
    """The text of one value, or what is wrong with it."""
    match parameter.type:
        case "boolean":
            text = str(value).lower()
            if text not in {"true", "false"}:
                return _wrong_value(value, gettext_noop("true or false"))
            return text
        case "integer":
            if isinstance(value, bool | float) or not _INTEGER.fullmatch(str(value).strip()):
                return _wrong_value(value, gettext_noop("a whole number"))
            return str(int(str(value)))
    if not isinstance(value, str):
        return _wrong_value(value, gettext_noop("text, in quotes where a number or yes/no could be meant"))
    if "\0" in value or len(value) > MAX_VALUE_CHARS:
        return _wrong_value(value[:40], gettext_noop("at most 4096 characters without NUL"))
    if parameter.type == "choice" and value not in parameter.choices:
        return Problem(
            "parameter_choice",
            gettext_noop("“%(value)s” is not among the choices."),
            {"value": value, "known": listed(parameter.choices)},
            gettext_noop("Choose one of %(known)s."),
        )
    if parameter.pattern is not None and not re.fullmatch(parameter.pattern, value):
        return Problem(
            "parameter_pattern",
            gettext_noop("“%(value)s” does not fit the pattern %(pattern)s."),
            {"value": value, "pattern": parameter.pattern},
            gettext_noop("Correct the value."),
        )
    return value


def _wrong_value(value: object, expected: str) -> Problem:
    return Problem(
        "parameter_type",
        gettext_noop("“%(value)s” is not %(expected)s."),
        {"value": value, "expected": expected},
        gettext_noop("Correct the value."),
    )


def _required(name: str) -> Problem:
    return Problem(
        "parameter_required",
        gettext_noop("The parameter “%(name)s” is required."),
        {"name": name},
        gettext_noop("Give it a value."),
        field=f"parameters.{name}",
    )


def _unknown(name: str, known: Sequence[str]) -> Problem:
    return Problem(
        "parameter_unknown",
        gettext_noop("The recipe has no parameter “%(name)s”."),
        {"name": name, "known": listed(known) or "–", "meant": nearest(name, known) or "–"},
        gettext_noop("Its parameters: %(known)s."),
        field=f"parameters.{name}",
    )
