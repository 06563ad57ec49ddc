"""Inventory files: CSV and YAML, read into rows of text with the line of each field.

    name,address,port,user,key_file,labels,host_key,encoding
    eu-01,10.0.0.7,22,game,/keys/fleet,"zone=eu tag=gate",ssh-ed25519 AAAA…,utf-8

    hosts:
      - name: eu-01
        address: 10.0.0.7
        labels: {zone: eu, tag: gate}

Everything stays text here, as it was written; `rows` gives it meaning. A column that is not there leaves that
property of a known host as it is; an empty cell sets it back to its default.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

import yaml

from rollcast.engine.problems import InputError, Problem, gettext_noop, listed, nearest
from rollcast.fleet.rows import COLUMNS, RawRow

# Above it an inventory is no file that a person keeps; bounds what a request can make us read.
MAX_BYTES: Final = 8 * 1024 * 1024


def read_inventory(text: str, filename: str) -> list[RawRow]:
    """The rows of a file, by its name's ending (.csv, .yml, .yaml, .json); InputError with all problems."""
    if len(text) > MAX_BYTES:
        raise _error(
            filename,
            "inventory_too_long",
            gettext_noop("The file is longer than %(most)d bytes."),
            gettext_noop("Split it: an import only adds and updates, so the parts may come one by one."),
            most=MAX_BYTES,
        )
    ending = filename.rpartition(".")[2].lower()
    if ending == "csv":
        rows = read_csv(text, filename)
    elif ending in {"yml", "yaml", "json"}:  # JSON is a part of YAML
        rows = read_yaml(text, filename)
    else:
        raise _error(
            filename,
            "inventory_kind",
            gettext_noop("The name does not say what kind of file this is."),
            gettext_noop("Let it end in .csv or .yaml."),
        )
    if not rows:
        raise _error(
            filename,
            "inventory_empty",
            gettext_noop("There is no host in this file."),
            gettext_noop("Give each host a line with at least its name and address."),
        )
    return rows


def read_csv(text: str, filename: str) -> list[RawRow]:
    """The rows of a CSV text whose first line names the columns; comma, semicolon or tab between them."""
    text = text.removeprefix("\ufeff")
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[RawRow] = []
    columns: list[str] | None = None
    line = 1  # where the row that is read next begins: a quoted cell may span lines
    problems: list[Problem] = []
    try:
        for cells in reader:
            here, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = [_column(cell) for cell in cells]
                problems += _column_problems(columns, filename, here)
            elif len(cells) > len(columns):
                problems.append(_too_many(len(cells), len(columns), filename, here))
            else:
                values = {column: cell.strip() for column, cell in zip(columns, cells, strict=False)}
                rows.append(RawRow(values, line=here))
    except csv.Error as error:
        raise _error(
            filename,
            "csv_syntax",
            gettext_noop("This is no valid CSV: %(what)s."),
            gettext_noop("Look for a quote that is not closed."),
            line=line,
            what=error,
        ) from error
    if problems:
        raise InputError(problems)
    return rows


def read_yaml(text: str, filename: str) -> list[RawRow]:
    """The rows of a YAML text: a list of hosts, alone or under `hosts`; every scalar stays text."""
    try:
        # Compose only: nodes keep their lines, and no value is built, so that `on` and 022 stay what they
        # are.
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise _error(
            filename,
            "yaml_syntax",
            gettext_noop("This is no valid YAML: %(what)s."),
            gettext_noop("Look at this line and the one before it: indentation, colons, quotes."),
            line=None if mark is None else mark.line + 1,
            what=getattr(error, "problem", None) or error,
        ) from error
    place = ""
    if isinstance(node, yaml.MappingNode) and len(node.value) == 1 and node.value[0][0].value == "hosts":
        node, place = node.value[0][1], "hosts"
    if node is None:
        return []
    if not isinstance(node, yaml.SequenceNode):
        raise _error(
            filename,
            "yaml_hosts",
            gettext_noop("The file is no list of hosts."),
            gettext_noop("Begin with “hosts:”, then one “- name: …” for each host."),
            line=node.start_mark.line + 1,
        )
    problems: list[Problem] = []
    rows = [_yaml_row(item, f"{place}[{index}]", filename, problems) for index, item in enumerate(node.value)]
    if problems:
        raise InputError(problems)
    return rows


def _yaml_row(node: yaml.Node, place: str, filename: str, problems: list[Problem]) -> RawRow:
    row = RawRow({}, line=node.start_mark.line + 1, place=place)
    if not isinstance(node, yaml.MappingNode):
        problems.append(_not_a_host(filename, row.line, place))
        return row
    for key_node, value_node in node.value:
        column = _column(str(key_node.value))
        line = key_node.start_mark.line + 1
        if column in row.values:
            template = gettext_noop("The key “%(key)s” stands twice.")
            problems.append(
                Problem(
                    "key_twice",
                    template,
                    {"key": column},
                    gettext_noop("Keep one of them."),
                    filename,
                    line,
                    f"{place}.{column}",
                )
            )
        if column not in COLUMNS:
            problems.append(_unknown_column(column, filename, line, f"{place}.{column}"))
            continue
        text = _yaml_text(value_node, column)
        if text is None:
            problems.append(_not_text(column, filename, line, f"{place}.{column}"))
            continue
        row.values[column] = text
        row.lines[column] = line
    return row


def _yaml_text(node: yaml.Node, column: str) -> str | None:
    """A cell's text; labels may be a mapping of texts, host_key a list of texts."""
    if isinstance(node, yaml.ScalarNode):
        return "" if node.style is None and node.value in {"null", "~"} else str(node.value).strip()
    if column == "labels" and isinstance(node, yaml.MappingNode):
        pairs = [(key, value) for key, value in node.value if isinstance(value, yaml.ScalarNode)]
        if len(pairs) == len(node.value):
            return " ".join(f"{key.value}={value.value}" for key, value in pairs)
    if column == "host_key" and isinstance(node, yaml.SequenceNode):
        return ";".join(str(item.value) for item in node.value)
    return None


def _column(header: str) -> str:
    """`Key file` and `key-file` are `key_file`."""
    return header.strip().lower().replace(" ", "_").replace("-", "_")


def _column_problems(columns: Sequence[str], filename: str, line: int) -> list[Problem]:
    problems = [
        _unknown_column(column, filename, line, column) for column in columns if column not in COLUMNS
    ]
    for column in sorted({column for column in columns if columns.count(column) > 1}):
        template = gettext_noop("The column “%(column)s” stands twice.")
        cure = gettext_noop("Keep one of them.")
        problems.append(Problem("column_twice", template, {"column": column}, cure, filename, line, column))
    problems += [
        _missing_column(column, filename, line) for column in ("name", "address") if column not in columns
    ]
    return problems


def _unknown_column(column: str, filename: str, line: int, field: str) -> Problem:
    meant = nearest(column, COLUMNS)
    return Problem(
        "column_unknown",
        gettext_noop("A host has no property “%(column)s”."),
        {"column": column, "meant": meant or "", "known": listed(COLUMNS)},
        gettext_noop("Did you mean %(meant)s? Known: %(known)s.")
        if meant
        else gettext_noop("Known: %(known)s."),
        filename,
        line,
        field,
    )


def _missing_column(column: str, filename: str, line: int) -> Problem:
    return Problem(
        "column_missing",
        gettext_noop("The column “%(column)s” is missing."),
        {"column": column, "known": listed(COLUMNS)},
        gettext_noop("The first line names the columns: %(known)s."),
        filename,
        line,
        column,
    )


def _too_many(n: int, most: int, filename: str, line: int) -> Problem:
    return Problem(
        "too_many_cells",
        gettext_noop("This line has %(n)d cells, the first line names %(most)d columns."),
        {"n": n, "most": most},
        gettext_noop("Put a cell that contains the separator into double quotes."),
        filename,
        line,
    )


def _not_a_host(filename: str, line: int | None, place: str) -> Problem:
    return Problem(
        "not_a_host",
        gettext_noop("This is no host."),
        {},
        gettext_noop("Write “- name: …” and its other properties below."),
        filename,
        line,
        place,
    )


def _not_text(column: str, filename: str, line: int, field: str) -> Problem:
    return Problem(
        "not_text",
        gettext_noop("“%(column)s” must be text."),
        {"column": column},
        gettext_noop("Only labels may be a group of keys, and only host_key a list."),
        filename,
        line,
        field,
    )


def _error(
    filename: str, code: str, template: str, cure: str, line: int | None = None, **params: object
) -> InputError:
    return InputError(Problem(code, template, params, cure, filename, line))
