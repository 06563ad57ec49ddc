"""The live feed's figures in words: `livefeed.metrics` counts codes, and an operator reads what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext_lazy as _

from livefeed.metrics import Snapshot
from rollcast.console.words import Word

TRANSPORTS: Final[dict[str, Word]] = {
    "socket": "WebSocket",
    "stream": _("Event stream"),
    "poll": _("Long poll"),
}
RESETS: Final[dict[str, Word]] = {
    "epoch": _("The feed is another one now, or a backup was restored"),
    "ahead": _("The page knew more than the feed: a backup was restored"),
    "pruned": _("What comes next is no longer kept"),
    "too_far": _("Far behind: the page reads history first"),
}
# What is refused, and the setting that decides.
CAPS: Final[dict[str, tuple[Word, str]]] = {
    "user": (_("One user has as many as may be"), "MAX_PER_USER"),
    "address": (_("One address has as many as may be"), "MAX_PER_ADDRESS"),
    "process": (_("This process has as many as may be"), "MAX_CONNECTIONS"),
    "strangers": (_("Too many came without signing in"), "STRANGERS_PER_MINUTE"),
    "drain": (_("The server was about to end"), "DRAIN_S"),
}
CLOSES: Final[dict[int, Word]] = {
    1000: _("The page has left"),
    1001: _("The page has left"),
    1005: _("The page has left"),
    1006: _("Broke off: the network, or a proxy in front"),
    1009: _("A message was too big"),
    1011: _("An error in the server; its log says more"),
    1012: _("The server ended"),
    1013: _("This process has as many as may be"),
    4000: _("Sent away before the server ends, or after a stream's time"),
    4001: _("The page did not keep up, or was gone"),
    4003: _("Whoever came did not speak our protocol"),
    4008: _("The feed could not be read; the log says more"),
    4013: _("One user or address has as many as may be"),
    4029: _("The page said too much at once"),
    4500: _("Whoever came did not speak our protocol"),
    4501: _("Not signed in, or no longer"),
    4503: _("No right to the feed, or no longer"),
    4506: _("A page of another version"),
}


@dataclass(frozen=True)
class Row:
    """How often something happened: its code, what that means, and the setting that decides, if one does."""

    code: str
    meaning: Word
    count: int
    setting: str = ""


def connections(figures: Snapshot) -> list[Row]:
    """Open connections by transport, those without any included."""
    return [Row(name, word, figures.connections.get(name, 0)) for name, word in TRANSPORTS.items()]


def refusals(figures: Snapshot) -> list[Row]:
    """Who found no place."""
    found = figures.refused
    return [Row(cap, word, found[cap], setting) for cap, (word, setting) in CAPS.items() if cap in found]


def resets(figures: Snapshot) -> list[Row]:
    """Cursors that could not be served."""
    return [Row(reason, RESETS.get(reason, ""), count) for reason, count in figures.resets.items()]


def closes(figures: Snapshot) -> list[Row]:
    """Ends of connections; a code that is not known here is shown all the same."""
    return [Row(str(code), CLOSES.get(code, ""), count) for code, count in figures.closes.items()]
