"""`<home>/settings.yml`: what an installation changes of the `ROLLCAST` and `LIVEFEED` settings.

ROLLCAST:
  MAX_PARALLEL: 50
LIVEFEED:
  RETRY_CAP_MS: 10000
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from livefeed import conf as livefeed_conf
from rollcast import conf as rollcast_conf
from rollcast.engine.problems import InputError, Problem, gettext_noop, nearest

FILE = "settings.yml"
_DEFAULTS = {"ROLLCAST": rollcast_conf.DEFAULTS, "LIVEFEED": livefeed_conf.DEFAULTS}


def own_settings(home: Path) -> dict[str, dict[str, Any]]:
    """What `settings.yml` in `home` says, for each of the two dicts; empty without the file.

    Raises InputError naming the file and the setting: a misspelt limit must not be ignored in silence.
    """
    path = home / FILE
    if not path.is_file():
        return {name: {} for name in _DEFAULTS}
    try:
        said = yaml.safe_load(path.read_text("utf-8")) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        raise InputError(_bad(path, gettext_noop("This is not YAML.")).at(line=line)) from error
    if not isinstance(said, dict):
        raise InputError(_bad(path, gettext_noop("This is not a mapping.")))
    for name, chosen in said.items():
        if name not in _DEFAULTS or not isinstance(chosen, dict):
            problem = _bad(
                path, gettext_noop("Only ROLLCAST and LIVEFEED, each with settings in it, may stand here.")
            )
            raise InputError(problem.at(field=str(name)))
        for key in chosen:
            if key not in _DEFAULTS[name]:
                raise InputError(_unknown(path, name, str(key)))
            _check_value(path, f"{name}.{key}", _DEFAULTS[name][key], chosen[key])
    return {name: said.get(name, {}) for name in _DEFAULTS}


def _check_value(path: Path, field: str, default: object, value: object) -> None:
    """A limit that is no number would end a worker much later, and far from here."""
    if isinstance(default, int | float):
        if value == default and not isinstance(value, bool):
            return  # also where that is 0: without a limit
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise InputError(_bad(path, gettext_noop("This must be a number above 0.")).at(field=field))
        if isinstance(default, int) and not isinstance(value, int):
            raise InputError(_bad(path, gettext_noop("This must be a whole number.")).at(field=field))
    elif not isinstance(value, str):
        raise InputError(_bad(path, gettext_noop("This must be text.")).at(field=field))


def _bad(path: Path, template: str) -> Problem:
    cure = gettext_noop("docs/settings.md lists all settings with their defaults.")
    return Problem("settings", template, cure=cure, file=str(path))


def _unknown(path: Path, name: str, key: str) -> Problem:
    problem = _bad(path, gettext_noop("There is no setting of this name.")).at(field=f"{name}.{key}")
    meant = nearest(key, [known.lower() for known in _DEFAULTS[name]])
    if meant is None:
        return problem
    return replace(problem, params={"meant": meant.upper()}, cure=gettext_noop("Did you mean %(meant)s?"))
