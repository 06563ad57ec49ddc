"""Recipe files: YAML text → plain values with the line of each field → `engine.recipe`.

Only plain values come out (text, whole numbers, decimals, true/false, null, lists, mappings): no tags, no
anchors, no merge keys, so that what a person reads in the file is all there is. Words such as `yes`, `on` or
`2024-01-01` stay text, as YAML 1.2 has it; `1:30` is text, not ninety. A key that stands twice is refused:
the first would silently lose. Every error names file, line and field.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from rollcast.conf import recipes_folder
from rollcast.engine.problems import InputError, Problem, gettext_noop, listed, nearest
from rollcast.engine.recipe import Recipe, recipe_from_mapping

# A recipe is typed by a person; more is a mistake, and YAML costs time that grows with the text.
MAX_BYTES: Final = 512 * 1024
# Deeper nesting than any recipe has; keeps the walk below within the interpreter's stack.
MAX_DEPTH: Final = 20
SUFFIXES: Final = (".yml", ".yaml")


@dataclass(frozen=True)
class RecipeFile:
    """A recipe's text and what it says; `recipe` is None when it has `problems`."""

    file: str
    text: str
    sha256: str
    recipe: Recipe | None
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """The recipe's name; that of the file when the file is wrong."""
        return self.recipe.name if self.recipe else Path(self.file).stem


def load_recipes(folder: Path | None = None) -> list[RecipeFile]:
    """All recipe files of the folder (or the settings'), by file name, wrong ones with their problems."""
    place = folder or recipes_folder()
    if not place.is_dir():
        return []
    paths = sorted(path for path in place.iterdir() if path.suffix in SUFFIXES and path.is_file())
    return [_read_or_problems(path) for path in paths]


def load_recipe(path: Path) -> RecipeFile:
    """One recipe file; InputError with all of its problems."""
    return read_recipe(_file_text(path), _shown(path))


def read_recipe(text: str, file: str | None = None) -> RecipeFile:
    """A recipe's text; InputError with all problems, each with `file`, line and field as far as known."""
    recipe = parse_recipe(text, file)
    return RecipeFile(file or "", text, hashlib.sha256(text.encode()).hexdigest(), recipe)


def find_recipe(name: str, folder: Path | None = None) -> RecipeFile:
    """The recipe of that name; InputError when there is none, or when its file is wrong."""
    files = load_recipes(folder)
    for found in files:
        if found.name == name:
            if found.recipe is None:
                raise InputError(found.problems)
            return found
    raise InputError(_unknown_recipe(name, [found.name for found in files]))


def parse_recipe(text: str, file: str | None = None) -> Recipe:
    """What a recipe's text says; InputError with all problems."""
    value, marks = values_and_lines(text, file)
    return recipe_from_mapping(value, marks, file)


def values_and_lines(text: str, file: str | None = None) -> tuple[object, dict[str, int]]:
    """The plain value of a YAML text, and for each field (`steps[2].timeout`) the line where it begins."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise InputError(
            Problem(
                "recipe_too_long",
                gettext_noop("The recipe is longer than %(most)d bytes."),
                {"most": MAX_BYTES},
                gettext_noop("Put long scripts into files and upload them."),
                file=file,
            )
        )
    walk = _Walk(file)
    try:
        _refuse_aliases(text, file)
        node = yaml.compose(text, Loader=_PlainLoader)  # a safe loader with fewer types
    except yaml.YAMLError as error:
        raise InputError(_syntax_problem(error, file)) from error
    value = None if node is None else walk.plain(node, "", 0)
    if walk.problems:
        raise InputError(walk.problems)
    return value, walk.marks


class _PlainLoader(yaml.SafeLoader):
    """Types nothing by itself: `_Walk` does, from what was written."""


_PlainLoader.yaml_implicit_resolvers = {}

_STR_TAG: Final = "tag:yaml.org,2002:str"
_TAGS: Final = (_STR_TAG, "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
_TRUE: Final = ("true", "True", "TRUE")
_FALSE: Final = ("false", "False", "FALSE")
_NULL: Final = ("", "~", "null", "Null", "NULL")
_WHOLE: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})", flags=re.ASCII)
_DECIMAL: Final = re.compile(r"[-+]?[0-9]+\.[0-9]+", flags=re.ASCII)


@dataclass
class _Walk:
    """From YAML nodes to plain values, gathering lines and problems on the way."""

    file: str | None
    marks: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def plain(self, node: yaml.Node, path: str, depth: int) -> object:
        """The value of a node; its line goes into `marks` under `path`."""
        line = node.start_mark.line + 1
        self.marks.setdefault(path, line)
        if depth > MAX_DEPTH:
            self._problem("recipe_too_deep", gettext_noop("The recipe is nested too deeply."), line, path)
            return None
        if node.tag not in _TAGS:
            self._problem(
                "yaml_tag", gettext_noop("Tags such as %(tag)s mean nothing here."), line, path, tag=node.tag
            )
            return None
        if isinstance(node, yaml.MappingNode):
            return dict(self._items(node, path, depth))
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return _scalar(node)

    def _items(self, node: yaml.MappingNode, path: str, depth: int) -> Iterator[tuple[str, object]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem("yaml_key", gettext_noop("A key must be a word."), line, path)
                continue
            key = str(key_node.value)
            here = f"{path}.{key}" if path else key
            if key in seen:
                template = gettext_noop("“%(key)s” stands here twice, first in line %(first)d.")
                self._problem("yaml_key_twice", template, line, here, key=key, first=seen[key])
                continue
            seen[key] = line
            self.marks[here] = line
            yield key, self.plain(value_node, here, depth + 1)

    def _problem(self, code: str, template: str, line: int, path: str, **params: object) -> None:
        self.problems.append(Problem(code, template, params, file=self.file, line=line, field=path or None))


def _scalar(node: yaml.ScalarNode) -> object:
    """What was written: quoted and block texts are text, of plain words only the listed ones are more."""
    text = str(node.value)
    if node.style is not None:
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def _shown(path: Path) -> str:
    """How messages name the file: with its folder, which is enough to find it."""
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name


def _file_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError(
            Problem(
                "recipe_unreadable",
                gettext_noop("The recipe file cannot be read: %(why)s."),
                {"why": error.strerror or str(error)},
                gettext_noop("Check that it is there and that Rollcast may read it."),
                file=_shown(path),
            )
        ) from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise InputError(
            Problem(
                "recipe_encoding",
                gettext_noop("The recipe file is not UTF-8."),
                cure=gettext_noop("Save it as UTF-8."),
                file=_shown(path),
                line=line,
            )
        ) from error


def _read_or_problems(path: Path) -> RecipeFile:
    try:
        return load_recipe(path)
    except InputError as error:
        text = path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""
        digest = hashlib.sha256(text.encode()).hexdigest()
        return RecipeFile(_shown(path), text, digest, None, error.problems)


def _refuse_aliases(text: str, file: str | None) -> None:
    """An alias (`*name`) does not say in place what it means, and it may mean a million nodes."""
    for event in yaml.parse(text, Loader=_PlainLoader):  # a safe loader with fewer types
        if isinstance(event, yaml.AliasEvent):
            line = None if event.start_mark is None else event.start_mark.line + 1
            template = gettext_noop("Aliases (*name) are not read here.")
            cure = gettext_noop("Write out what is meant.")
            raise InputError(Problem("yaml_alias", template, cure=cure, file=file, line=line))


def _syntax_problem(error: yaml.YAMLError, file: str | None) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or str(error)
    return Problem(
        "yaml_syntax",
        gettext_noop("This is no valid YAML: %(what)s."),
        {"what": what},
        gettext_noop("Look at this line and the one before it: indentation, colons, quotes."),
        file=file,
        line=None if mark is None else mark.line + 1,
    )


def _unknown_recipe(name: str, names: list[str]) -> Problem:
    meant = nearest(name, names)
    if meant is not None:
        cure = gettext_noop("Did you mean %(meant)s?")
    elif names:
        cure = gettext_noop("There are: %(names)s.")
    else:
        cure = gettext_noop("Put a recipe file into %(folder)s.")
    params = {"name": name, "meant": meant, "names": listed(names), "folder": str(recipes_folder())}
    template = gettext_noop("There is no recipe “%(name)s”.")
    return Problem("recipe_unknown", template, params, cure, field="recipe")
