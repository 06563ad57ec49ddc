"""What one row of an inventory means: text in, checked values out, every problem with its line and column."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from rollcast.engine.problems import InputError, Problem, gettext_noop
from rollcast.fleet.host_keys import HostKeyText, parse_host_key
from rollcast.fleet.models import MAX_NAME_CHARS

T = TypeVar("T")

COLUMNS: Final = ("name", "address", "port", "user", "key_file", "labels", "host_key", "encoding")
DEFAULT_PORT: Final = 22
DEFAULT_ENCODING: Final = "utf-8"
# A host's name stands in pages' addresses and in selectors, where blanks, commas and operators would end it.
_NAME: Final = re.compile(r"\w[\w.-]*")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_%-]*", flags=re.ASCII)
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]*\$?", flags=re.ASCII)
_ASCII: Final = bytes(range(128))
_LABEL: Final = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.\-/]*)=([^=!~,\s\"']+)")


@dataclass(frozen=True)
class RawRow:
    """A row as it was written. `lines` has the line of a column where it differs from the row's."""

    values: dict[str, str]
    line: int | None = None
    place: str = ""  # "hosts[2]" in YAML
    lines: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class HostRow:
    """A checked row; None = the file says nothing about it."""

    name: str
    address: str
    port: int | None
    user: str | None
    key_file: str | None
    labels: Mapping[str, str] | None
    encoding: str | None
    keys: tuple[HostKeyText, ...]  # empty = nothing said; an import never takes a key away without a new one


def check_rows(raws: Sequence[RawRow], source: str) -> list[HostRow]:
    """The meaning of all rows; InputError with every problem, `file` being `source`."""
    checked = [_Check(raw, source) for raw in raws]
    rows = [check.row() for check in checked]
    seen: dict[str, RawRow] = {}
    for raw, check in zip(raws, checked, strict=True):
        name = raw.values.get("name", "")
        if name and name in seen:
            check.add(
                "name",
                "host_twice",
                gettext_noop("The host “%(name)s” stands twice, first in line %(first)s."),
                gettext_noop("Keep one of them: names are what tells hosts apart."),
                name=name,
                first=seen[name].line or "–",
            )
        seen.setdefault(name, raw)
    problems = [problem for check in checked for problem in check.problems]
    if problems:
        raise InputError(problems)
    return rows


def _keeps_ascii(encoding: str) -> bool:
    """Whether it is a text encoding in which ASCII is ASCII: lines are cut at the byte 0A before decoding."""
    try:
        return _ASCII.decode(encoding) == _ASCII.decode("ascii")
    except (LookupError, UnicodeError):
        return False


class _Check:
    """One row on its way to a HostRow."""

    def __init__(self, raw: RawRow, source: str) -> None:
        self.raw = raw
        self.source = source
        self.problems: list[Problem] = []

    def row(self) -> HostRow:
        return HostRow(
            name=self._name(),
            address=self._address(),
            port=self._if_given("port", self._port),
            user=self._if_given("user", self._user),
            key_file=self._if_given("key_file", lambda text: text),
            labels=self._if_given("labels", self._labels),
            encoding=self._if_given("encoding", self._encoding),
            keys=self._keys(self.raw.values.get("host_key", "")),
        )

    def add(self, column: str, code: str, template: str, cure: str, **params: object) -> None:
        self.keep(Problem(code, template, params, cure), column)

    def keep(self, problem: Problem, column: str) -> None:
        place = f"{self.raw.place}.{column}" if self.raw.place else column
        line = self.raw.lines.get(column, self.raw.line)
        self.problems.append(problem.at(file=self.source, line=line, field=place))

    def _if_given(self, column: str, check: Callable[[str], T]) -> T | None:
        return check(self.raw.values[column]) if column in self.raw.values else None

    def _name(self) -> str:
        name = self.raw.values.get("name", "")
        if not _NAME.fullmatch(name) or len(name) > MAX_NAME_CHARS:
            self.add(
                "name",
                "host_name",
                gettext_noop("“%(name)s” cannot be a host's name."),
                gettext_noop("Use letters, digits, “.”, “_” and “-”, at most %(most)d."),
                name=name,
                most=MAX_NAME_CHARS,
            )
        return name

    def _address(self) -> str:
        address = self.raw.values.get("address", "")
        if not _ADDRESS.fullmatch(address):
            self.add(
                "address",
                "host_address",
                gettext_noop("“%(address)s” is no address."),
                gettext_noop("Write an IP address or a DNS name; port and user have columns of their own."),
                address=address,
            )
        return address

    def _port(self, text: str) -> int:
        if not text:
            return DEFAULT_PORT
        port = int(text) if re.fullmatch(r"[0-9]{1,5}", text) else 0
        if not 1 <= port <= 65535:
            self.add(
                "port",
                "host_port",
                gettext_noop("“%(port)s” is no port."),
                gettext_noop("Write a number from 1 to 65535; SSH usually listens on 22."),
                port=text,
            )
        return port

    def _user(self, text: str) -> str:
        if text and not _USER.fullmatch(text):
            self.add(
                "user",
                "host_user",
                gettext_noop("“%(user)s” is no user name."),
                gettext_noop("Write the account on the host, such as game."),
                user=text,
            )
        return text

    def _labels(self, text: str) -> dict[str, str]:
        labels: dict[str, str] = {}
        for word in text.split():
            match = _LABEL.fullmatch(word)
            if match is None or match[1] in labels or match[1] == "name":
                self.add(
                    "labels",
                    "host_label",
                    gettext_noop("“%(word)s” is no label, or its key stands twice."),
                    gettext_noop("Write zone=eu tag=gate: key=value, separated by blanks; “name” is taken."),
                    word=word,
                )
                continue
            labels[match[1]] = match[2]
        return labels

    def _encoding(self, text: str) -> str:
        encoding = text or DEFAULT_ENCODING
        if _keeps_ascii(encoding):
            return codecs.lookup(encoding).name
        self.add(
            "encoding",
            "host_encoding",
            gettext_noop("“%(encoding)s” is no encoding that output can have."),
            gettext_noop("Write utf-8, or gb18030 for hosts that speak Chinese in the older way."),
            encoding=text,
        )
        return DEFAULT_ENCODING

    def _keys(self, text: str) -> tuple[HostKeyText, ...]:
        keys: dict[str, HostKeyText] = {}
        for part in text.replace("\n", ";").split(";"):
            if not part.strip():
                continue
            try:
                key = parse_host_key(part)
            except InputError as error:
                for problem in error.problems:
                    self.keep(problem, "host_key")
            else:
                keys[key.key] = key
        return tuple(keys.values())
