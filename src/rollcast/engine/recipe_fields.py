"""Fields of a parsed value, read one by one: each bad one is noted with its path, line and cure.

The caller reads the file; here arrive plain dicts, lists, strings and numbers, and `marks`, the line of each
path (`steps[2].timeout` -> 12). A path without a mark takes the line of its nearest parent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from rollcast.engine.problems import Problem, gettext_noop, listed, nearest

T = TypeVar("T")

# More steps than a matrix can show and than anybody maintains.
MAX_STEPS: Final = 200
# Names stand in table heads.
MAX_NAME_CHARS: Final = 80


class Reading:
    """Reads fields and collects what is wrong; a bad field answers its empty value and a problem."""

    def __init__(self, marks: Mapping[str, int], file: str | None) -> None:
        self.marks = marks
        self.file = file
        self.problems: list[Problem] = []

    def line_of(self, field: str) -> int | None:
        """The line of a path, or of its nearest parent that has one."""
        while field and field not in self.marks:
            field = field[: max(field.rfind("."), field.rfind("["), 0)]
        return self.marks.get(field)

    def add(self, field: str, code: str, template: str, cure: str, **params: object) -> None:
        """Note a problem at `field`."""
        self.keep(Problem(code, template, params, cure), field)

    def keep(self, problem: Problem, field: str) -> None:
        """Note a problem that another parser found, at `field`."""
        line = self.line_of(field)
        self.problems.append(problem.at(file=self.file, line=line, field=field or None))

    def wrong_type(self, field: str, expected: str, value: object) -> None:
        """Note that `value` is not what belongs there. `expected` is a marked word of ours."""
        if value is None:
            self.add(
                field,
                "empty",
                gettext_noop("Nothing stands here."),
                gettext_noop("Write %(expected)s."),
                expected=expected,
            )
            return
        self.add(
            field,
            "wrong_type",
            gettext_noop("This is %(kind)s."),
            gettext_noop("Write %(expected)s; what YAML takes for something else goes into quotes."),
            kind=kind_of(value),
            expected=expected,
        )

    def mapping(self, value: object, field: str, keys: Sequence[str]) -> Mapping[str, object] | None:
        """`value` as a mapping whose keys are all among `keys`; unknown ones are noted."""
        if not isinstance(value, Mapping):
            self.wrong_type(field, gettext_noop("key: value pairs"), value)
            return None
        for key in value:
            if key not in keys:
                self.unknown_key(f"{field}.{key}" if field else str(key), str(key), keys)
        return value

    def unknown_key(self, field: str, key: str, keys: Sequence[str]) -> None:
        """Note a key that does not stand in the reference."""
        meant = nearest(key, keys)
        if meant is not None:
            cure = gettext_noop("Did you mean %(meant)s? Known here: %(known)s.")
        else:
            cure = gettext_noop("Known here: %(known)s. They are explained in recipe_reference.yml.")
        self.add(
            field,
            "unknown_key",
            gettext_noop("The key “%(key)s” is unknown."),
            cure,
            key=key,
            meant=meant or "",
            known=listed(keys),
        )

    def text(self, given: Mapping[str, object], field: str, key: str, *, required: bool = False) -> str:
        """A string; empty if it is missing or wrong (then noted)."""
        path = f"{field}.{key}" if field else key
        value = given.get(key)
        if value is None and key not in given:
            if required:
                self.missing(path, key)
            return ""
        if not isinstance(value, str):
            self.wrong_type(path, gettext_noop("text"), value)
            return ""
        if required and not value.strip():
            self.wrong_type(path, gettext_noop("text"), None)
        if "\0" in value:
            self.add(
                path,
                "nul_character",
                gettext_noop("There is a NUL character in this text."),
                gettext_noop("Remove it: no shell and no file name can carry it."),
            )
        return value

    def name(self, given: Mapping[str, object], field: str) -> str:
        """A short one-line name."""
        name = self.text(given, field, "name", required=True).strip()
        if len(name) > MAX_NAME_CHARS or not name.isprintable():
            self.add(
                f"{field}.name",
                "name_shape",
                gettext_noop("This name has %(chars)d characters or a line break."),
                gettext_noop("Use one line of at most %(most)d characters."),
                chars=len(name),
                most=MAX_NAME_CHARS,
            )
        return name

    def sequence(self, given: Mapping[str, object], key: str) -> Sequence[object]:
        """A list of 1 to MAX_STEPS items; empty if it is missing or wrong (then noted)."""
        if key not in given:
            self.missing(key, key)
            return ()
        value = given[key]
        if not isinstance(value, list | tuple) or not value:
            self.wrong_type(key, gettext_noop("a list with at least one item"), value)
            return ()
        if len(value) > MAX_STEPS:
            self.add(
                key,
                "too_many_steps",
                gettext_noop("There are %(n)d steps."),
                gettext_noop("At most %(most)d fit: join some, or make two recipes."),
                n=len(value),
                most=MAX_STEPS,
            )
        return value

    def one_of(self, given: Mapping[str, object], field: str, key: str, words: Sequence[T], default: T) -> T:
        """One of `words` (by their text); the default if it is missing or wrong (then noted)."""
        value = given.get(key)
        if value is None and key not in given:
            return default
        for word in words:
            if isinstance(value, str) and value == getattr(word, "value", word):
                return word
        known = [str(getattr(word, "value", word)) for word in words]
        self.add(
            f"{field}.{key}",
            "unknown_word",
            gettext_noop("“%(value)s” is not possible here."),
            gettext_noop("Choose one of %(known)s."),
            value=value,
            known=listed(known),
        )
        return default

    def missing(self, field: str, key: str) -> None:
        """Note a key that must be there."""
        self.add(
            field,
            "missing_key",
            gettext_noop("The key “%(key)s” is missing."),
            gettext_noop("Add it; recipe_reference.yml shows how."),
            key=key,
        )


def kind_of(value: object) -> str:
    """What a YAML value is, in words."""
    match value:
        case bool():
            return gettext_noop("yes or no")
        case int() | float():
            return gettext_noop("a number")
        case str():
            return gettext_noop("text")
        case Mapping():
            return gettext_noop("a group of keys")
        case list() | tuple():
            return gettext_noop("a list")
        case _:
            return gettext_noop("something else")
