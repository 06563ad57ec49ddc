"""The fleet as pages and API show it: chosen by a selector, each host with one word about its keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from rollcast.engine.selector import parse_selector
from rollcast.fleet import queries

KeyWord = Literal["pinned", "unknown", "changed", "revoked", "none"]


def key_word(host: Mapping[str, Any]) -> KeyWord:
    """One word for all keys of a host.

    `changed`: it shows a key that nobody decided on although others were decided on before, so somebody
    may be in between. `unknown`: it shows its first key. `none`: never reached, and the import named no key.
    """
    states = {key["state"] for key in host["keys"]}
    if "pending" in states:
        return "changed" if len(states) > 1 else "unknown"
    if "pinned" in states:
        return "pinned"
    return "revoked" if states else "none"


def hosts(selector_text: str = "") -> list[dict[str, Any]]:
    """The hosts that the selector chooses (none is no error here), each with its `key_state`; InputError."""
    selector = parse_selector(selector_text)
    rows = [row for row in queries.fleet_rows() if selector.matches(row["name"], row["labels"])]
    return [{**row, "key_state": key_word(row)} for row in rows]


def host(name: str) -> dict[str, Any] | None:
    """One host with its `key_state`; None if there is none of that name."""
    row = queries.host_row(name)
    return None if row is None else {**row, "key_state": key_word(row)}
