"""The Chinese catalogues are complete: every marked string, no doubtful entry, the same placeholders."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from babel.messages.catalog import Message

from tests.meta.catalogues import CATALOGUES, marked, read_catalogue

CURE = "Run `python -m tests.meta.catalogues`, write what is missing, run it again."
PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?([sdgf%])")
HAN = re.compile(r"[\u4e00-\u9fff]")
# Nothing in them is a word.
WORDLESS = {"%(ended)d of %(total)d", "%(found)s of %(all)s"}
per_catalogue = pytest.mark.parametrize(("package", "domain"), CATALOGUES)


def texts(message: Message) -> tuple[str, ...]:
    """The translation's forms."""
    string = message.string
    return tuple(map(str, string)) if isinstance(string, (tuple, list)) else (str(string or ""),)


def source(message: Message) -> str:
    """The English text; of a plural the form for many."""
    return message.id[-1] if isinstance(message.id, (tuple, list)) else message.id


@per_catalogue
def test_every_marked_string_is_translated(package: str, domain: str) -> None:
    catalogue = read_catalogue(package, domain)
    missing = [
        (message.context, message.id)
        for message in marked(package, domain)
        if message.id
        and ((known := catalogue.get(message.id, message.context)) is None or not all(texts(known)))
    ]
    assert missing == [], CURE


@per_catalogue
def test_nothing_is_doubtful_and_nothing_is_left_over(package: str, domain: str) -> None:
    wanted = marked(package, domain)
    catalogue = read_catalogue(package, domain)
    assert [message.id for message in catalogue if message.id and message.fuzzy] == []
    assert not catalogue.fuzzy
    left_over = [m.id for m in catalogue if m.id and wanted.get(m.id, m.context) is None]
    assert left_over == [], CURE


@per_catalogue
def test_placeholders_are_the_same(package: str, domain: str) -> None:
    for message in read_catalogue(package, domain):
        if not message.id or "%(" not in source(message):
            continue
        expected = Counter(PLACEHOLDER.findall(source(message)))
        for text in texts(message):
            assert Counter(PLACEHOLDER.findall(text)) == expected, (source(message), text)


@per_catalogue
def test_translations_are_chinese(package: str, domain: str) -> None:
    plain = [
        source(message)
        for message in read_catalogue(package, domain)
        if message.id and source(message) not in WORDLESS and not all(map(HAN.search, texts(message)))
    ]
    assert plain == []


def test_an_untranslated_string_is_found() -> None:
    """The extractor sees all three kinds of source: one known string of each."""
    python, javascript = marked("rollcast", "django"), marked("rollcast", "djangojs")
    assert python.get("The failure budget was exceeded") is not None  # Python
    assert python.get("Nothing is running.") is not None  # template
    assert python.get("Succeeded", "state") is not None  # with a context
    assert python.get(("%(n)s step", "%(n)s steps")) is not None  # template, plural
    assert javascript.get("Waiting for the first line.") is not None
    assert javascript.get("last line %(age)s ago") is not None  # within a template literal
