"""What must be translated: every marked string of Python, templates and JavaScript; no GNU gettext needed.

`python -m tests.meta.catalogues` brings the .po files up to date: new strings come in untranslated (and the
test fails until somebody writes them), strings that are gone go. It compiles the .mo files of the tree, too.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = ROOT / "src"
# Where each package keeps its texts: livefeed brings its own into projects that have nothing of Rollcast.
LOCALES: Final = {
    "livefeed": SOURCE / "livefeed" / "locale",
    "rollcast": SOURCE / "rollcast" / "console" / "locale",
}
LANGUAGE: Final = "zh_Hans"
# (package, domain)
CATALOGUES: Final = (("livefeed", "django"), ("rollcast", "django"), ("rollcast", "djangojs"))
# Calls within `${…}` count, too.
OPTIONS: Final = {"parse_template_string": True}
Spec = tuple[int | tuple[int, str], ...] | None
KEYWORDS: Final[dict[str, Spec]] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}


def po_file(package: str, domain: str) -> Path:
    """The Chinese catalogue of a package's domain."""
    return LOCALES[package] / LANGUAGE / "LC_MESSAGES" / f"{domain}.po"


def read_catalogue(package: str, domain: str) -> Catalog:
    """The catalogue as it stands in the tree."""
    with po_file(package, domain).open("rb") as file:
        return read_po(file, locale=LANGUAGE, domain=domain)


def marked(package: str, domain: str) -> Catalog:
    """Every string of the domain that is marked in the package, with the places where it stands."""
    found = Catalog(locale=LANGUAGE, domain=domain, project="Rollcast", charset="utf-8", fuzzy=False)
    found.header_comment = (
        "# Simplified Chinese of Rollcast; `python -m tests.meta.catalogues` keeps it complete."
    )
    for path, method, text in _sources(SOURCE / package, domain):
        name = path.relative_to(ROOT).as_posix()
        for line, message, _comments, context in extract(
            method, io.BytesIO(text.encode()), KEYWORDS, (), OPTIONS
        ):
            plural = isinstance(message, tuple) and len(message) > 1
            text_id = message if plural else (message[0] if isinstance(message, tuple) else message)
            found.add(text_id, locations=[(name, line)], context=context)
    return found


def _sources(source: Path, domain: str) -> Iterator[tuple[Path, str, str]]:
    """Files of the domain with Babel's method to read them and the text to be read."""
    if domain == "djangojs":
        for path in sorted(source.rglob("*.js")):
            yield path, "javascript", path.read_text(encoding="utf-8")
        return
    for path in sorted(source.rglob("*.py")):
        yield path, "python", path.read_text(encoding="utf-8")
    for path in sorted(source.rglob("templates/**/*.html")):
        # What Django makes of a template is lines of calls; Python's tokenizer wants them without indents.
        lines = templatize(path.read_text(encoding="utf-8"), origin=str(path)).splitlines()
        yield path, "python", "\n".join(line.strip() for line in lines)


def update() -> None:
    """Bring the .po files up to date with the sources; what was translated is kept."""
    for package, domain in CATALOGUES:
        file = po_file(package, domain)
        fresh = marked(package, domain)
        if file.is_file():
            old = read_catalogue(package, domain)
            fresh.creation_date, fresh.revision_date = old.creation_date, old.revision_date
            for message in fresh:
                known = old.get(message.id, message.context)
                if message.id and known is not None:
                    message.string = known.string
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as po:
            write_po(po, fresh, width=110, sort_by_file=True, include_lineno=False)
        with file.with_suffix(".mo").open("wb") as mo:
            write_mo(mo, fresh)


if __name__ == "__main__":
    settings.configure()
    update()
