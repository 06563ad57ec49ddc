"""Which hosts: `zone=eu,us tag!=maint name~bj-*`.

Terms are separated by blanks and must all hold; the values of a term are separated by commas and any may
hold. `=` is equality, `!=` its opposite (it also holds for a host without the label), `~` and `!~` match
shell-like patterns. `name` is the host's name, every other key a label. A bare pattern (`bj-01`, `bj-*`) is
a name. The empty selector and `*` mean all hosts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

from rollcast.engine.problems import InputError, Problem, gettext_noop

Operator = Literal["=", "!=", "~", "!~"]

# Longest accepted text: a selector is typed by a person, and each term is tried on each host.
MAX_CHARS: Final = 2000
_TERM: Final = re.compile(r"(?P<key>[^=!~,]*)(?P<operator>!=|!~|=|~)(?P<values>.*)", flags=re.DOTALL)
_KEY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-/]*", flags=re.ASCII)
_VALUE: Final = re.compile(r"[^=!~,\s\"']+")


@dataclass(frozen=True)
class Term:
    """`key operator value,value`."""

    key: str
    operator: Operator
    values: tuple[str, ...]

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether the host fulfils this term."""
        actual = name if self.key == "name" else labels.get(self.key)
        if actual is None:
            return self.operator.startswith("!")
        if self.operator.endswith("~"):
            found = any(fnmatchcase(actual, value) for value in self.values)
        else:
            found = actual in self.values
        return found != self.operator.startswith("!")


@dataclass(frozen=True)
class Selector:
    """A parsed selector; no terms = all hosts."""

    terms: tuple[Term, ...] = ()

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether the host with this name and these labels is selected."""
        return all(term.matches(name, labels) for term in self.terms)


def parse_selector(text: str) -> Selector:
    """Read a selector; InputError (field `selector`, one problem per bad term, with its column from 1)."""
    if len(text) > MAX_CHARS:
        raise InputError(
            Problem(
                "selector_too_long",
                gettext_noop("The selector has %(chars)d characters."),
                {"chars": len(text), "most": MAX_CHARS},
                gettext_noop("At most %(most)d are read: label the hosts and select by label."),
                field="selector",
            )
        )
    terms: list[Term] = []
    problems: list[Problem] = []
    for match in re.finditer(r"\S+", text):
        word, column = match.group(), match.start() + 1
        if word == "*":
            continue
        outcome = _parse_term(word, column)
        if isinstance(outcome, Term):
            terms.append(outcome)
        else:
            problems.append(outcome)
    if problems:
        raise InputError(problems)
    return Selector(tuple(terms))


def _parse_term(word: str, column: int) -> Term | Problem:
    params: dict[str, object] = {"term": word, "column": column}
    match = _TERM.fullmatch(word)
    if match is None:
        operator: Operator = "~" if any(char in word for char in "*?[") else "="
        key, values = "name", word.split(",")
    else:
        key, values = match["key"], match["values"].split(",")
        operator = _operator(match["operator"])
        if not _KEY.fullmatch(key):
            return Problem(
                "selector_key",
                gettext_noop("“%(term)s” at column %(column)d has no label before its operator."),
                params,
                gettext_noop("Write label=value, for instance zone=eu, without blanks around the operator."),
                field="selector",
            )
    for value in values:
        if not _VALUE.fullmatch(value):
            return Problem(
                "selector_value",
                gettext_noop("“%(term)s” at column %(column)d has an empty or unreadable value."),
                params,
                gettext_noop(
                    "Write one or more values separated by commas, without blanks or quotes: zone=eu,us."
                ),
                field="selector",
            )
    return Term(key, operator, tuple(values))


def _operator(text: str) -> Operator:
    match text:
        case "!=":
            return "!="
        case "~":
            return "~"
        case "!~":
            return "!~"
        case _:
            return "="
