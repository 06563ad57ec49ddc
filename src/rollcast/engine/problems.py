"""What is wrong with an input, where, and how to cure it.

Every door (page, API, CLI) shows the same `Problem`: a template with `%(name)s` parameters, so that it can be
translated after it was raised, and the place it talks about. `gettext_noop` marks the templates for
`makemessages`; a caller translates with `gettext(problem.template) % problem.params`.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence

from typing_extensions import override


def gettext_noop(text: str) -> str:
    """Mark `text` for translation and return it unchanged."""
    return text


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong. `line` counts from 1; `field` is a path such as `steps[2].timeout`."""

    code: str
    template: str
    params: Mapping[str, object] = dataclasses.field(default_factory=dict, hash=False)
    cure: str = ""
    file: str | None = None
    line: int | None = None
    field: str | None = None

    @property
    def message(self) -> str:
        """What is wrong, in English."""
        return self.template % self.params

    @property
    def cure_text(self) -> str:
        """What to do about it, in English; empty if nothing sensible can be said."""
        return self.cure % self.params

    @property
    def where(self) -> str:
        """`recipes/x.yml, line 12, steps[2].timeout`, as far as known."""
        line = None if self.line is None else f"line {self.line}"
        return ", ".join(part for part in (self.file, line, self.field) if part)

    @override
    def __str__(self) -> str:
        sentence = f"{self.message} {self.cure_text}".strip()
        return f"{self.where}: {sentence}" if self.where else sentence

    def at(self, *, file: str | None = None, line: int | None = None, field: str | None = None) -> Problem:
        """The same problem at a place; what is not given is kept."""
        return dataclasses.replace(
            self,
            file=self.file if file is None else file,
            line=self.line if line is None else line,
            field=self.field if field is None else field,
        )


class InputError(ValueError):
    """Input that was refused. `problems` holds all that was found, in the order of the input."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that `word` was probably meant to be, or None."""
    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return close[0] if close else None


def listed(words: Iterable[object]) -> str:
    """`a, b, c`, for messages."""
    return ", ".join(str(word) for word in words)
