"""The `steps` of a recipe: exactly one kind each, with the keys and defaults of that kind."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from rollcast.engine.durations import parse_duration
from rollcast.engine.problems import gettext_noop, listed
from rollcast.engine.recipe_fields import Reading
from rollcast.engine.recipe_model import KINDS, SCHEMA, Parameter, Rerun, Step, StepKind
from rollcast.engine.recipe_parameters import path_problem, places

# Most steps of a game server take seconds; one that hangs should be seen before the maintenance window is
# over.
RUN_TIMEOUT_S: Final = 600.0
# A build of some gigabytes over a slow line.
UPLOAD_TIMEOUT_S: Final = 3600.0
# A check is given this much beyond its deadline, for a last try that hangs.
CHECK_MARGIN_S: Final = 60.0
CHECK_EVERY_S: Final = 2.0
CHECK_DEADLINE_S: Final = 300.0
# Between two tries: less would be a busy loop on somebody's game server.
MIN_EVERY_S: Final = 0.1
# No step may last longer than this.
MAX_DURATION_S: Final = 7 * 86400.0
_MODE: Final = re.compile(r"0?[0-7]{3}", flags=re.ASCII)
# Which of the common keys each kind has. Uploads and waits may always be repeated, so they have no `rerun`.
_COMMON: Final[Mapping[StepKind, tuple[str, ...]]] = {
    "run": ("timeout", "rerun", "buffering"),
    "check": ("timeout", "rerun", "buffering"),
    "upload": ("timeout",),
    "wait": (),
}


def read_step(reading: Reading, value: object, field: str, parameters: Sequence[Parameter]) -> Step | None:
    """One item of `steps`; None if it is so wrong that nothing can be said about it."""
    given = reading.mapping(value, field, SCHEMA["steps[]"])
    if given is None:
        return None
    name = reading.name(given, field)
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) != 1:
        reading.add(
            field,
            "step_kind",
            gettext_noop("A step does exactly one thing; this one has %(found)s."),
            gettext_noop("Give it one of %(known)s."),
            found=listed(kinds) or "–",
            known=listed(KINDS),
        )
        return None
    kind = kinds[0]
    for key in ("timeout", "rerun", "buffering"):
        if key in given and key not in _COMMON[kind]:
            reading.add(
                f"{field}.{key}",
                "key_of_other_kind",
                gettext_noop("A step of kind %(kind)s has no “%(key)s”."),
                gettext_noop("Remove it."),
                kind=kind,
                key=key,
            )
    match kind:
        case "run":
            return _read_run(reading, given, field, name)
        case "check":
            return _read_check(reading, given, field, name)
        case "upload":
            return _read_upload(reading, given, field, name, [parameter.name for parameter in parameters])
        case "wait":
            seconds = _duration(reading, given, field, "wait", 0.0)
            return Step(name, "wait", timeout_s=seconds, rerun=Rerun.ALWAYS, seconds=seconds)


def _read_run(reading: Reading, given: Mapping[str, object], field: str, name: str) -> Step:
    return Step(
        name,
        "run",
        timeout_s=_duration(reading, given, field, "timeout", RUN_TIMEOUT_S),
        rerun=_rerun(reading, given, field),
        script=reading.text(given, field, "run", required=True),
        buffering=_buffering(reading, given, field),
    )


def _read_check(reading: Reading, given: Mapping[str, object], field: str, name: str) -> Step:
    path = f"{field}.check"
    check = reading.mapping(given["check"], path, SCHEMA["steps[].check"]) or {}
    deadline = _duration(reading, check, path, "deadline", CHECK_DEADLINE_S)
    on_deadline: Literal["fail", "go_on"] = reading.one_of(
        check, path, "on_deadline", ("fail", "go_on"), "fail"
    )
    return Step(
        name,
        "check",
        timeout_s=_duration(reading, given, field, "timeout", deadline + CHECK_MARGIN_S),
        rerun=_rerun(reading, given, field),
        script=reading.text(check, path, "command", required=True) if check else "",
        every_s=_duration(reading, check, path, "every", CHECK_EVERY_S, least=MIN_EVERY_S),
        deadline_s=deadline,
        on_deadline=on_deadline,
        buffering=_buffering(reading, given, field),
    )


def _read_upload(
    reading: Reading, given: Mapping[str, object], field: str, name: str, known: Sequence[str]
) -> Step:
    path = f"{field}.upload"
    upload = reading.mapping(given["upload"], path, SCHEMA["steps[].upload"]) or {}
    texts = {"file": "", "to": ""}
    for key in texts:
        text = reading.text(upload, path, key, required=True) if upload else ""
        texts[key] = text
        unknown = [place for place in places(text) if place not in known]
        if unknown:
            reading.add(
                f"{path}.{key}",
                "unknown_place",
                gettext_noop("{%(place)s} is no parameter of this recipe."),
                gettext_noop("Its parameters: %(known)s."),
                place=unknown[0],
                known=listed(known) or "–",
            )
        problem = path_problem(text, may_be_absolute=key == "to") if text else None
        if problem is not None:
            reading.keep(problem, f"{path}.{key}")
    mode = upload.get("mode", "0644")
    if not isinstance(mode, str) or not _MODE.fullmatch(mode):
        reading.add(
            f"{path}.mode",
            "upload_mode",
            gettext_noop("“%(mode)s” is no file mode."),
            gettext_noop('Write three octal digits in quotes: "0644" or "0755".'),
            mode=mode,
        )
        mode = "0644"
    return Step(
        name,
        "upload",
        timeout_s=_duration(reading, given, field, "timeout", UPLOAD_TIMEOUT_S),
        rerun=Rerun.ALWAYS,
        file=texts["file"],
        to=texts["to"],
        mode=int(mode, 8),
    )


def _duration(
    reading: Reading,
    given: Mapping[str, object],
    field: str,
    key: str,
    default: float,
    least: float = 0.001,
) -> float:
    """Seconds between `least` and a week; the default if it is missing or wrong (then noted)."""
    if key not in given:
        return default
    seconds = parse_duration(given[key])
    if seconds is None or not least <= seconds <= MAX_DURATION_S:
        reading.add(
            f"{field}.{key}",
            "duration",
            gettext_noop("“%(value)s” is no duration that fits here."),
            gettext_noop("Write it like 30s, 5m or 1h30m, at least %(least)g seconds and at most a week."),
            value=given[key],
            least=least,
        )
        return default
    return seconds


def _rerun(reading: Reading, given: Mapping[str, object], field: str) -> Rerun:
    return reading.one_of(given, field, "rerun", tuple(Rerun), Rerun.ASK)


def _buffering(reading: Reading, given: Mapping[str, object], field: str) -> Literal["line", "as-is"]:
    words: tuple[Literal["line", "as-is"], ...] = ("line", "as-is")
    return reading.one_of(given, field, "buffering", words, "line")
