"""`rollcast hosts list | import | trust`: the fleet."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollcast.cli.arguments import Commands, add_home, add_json
from rollcast.cli.installation import actor, open_installation
from rollcast.cli.said import OK, print_json, print_table


def add_to(commands: Commands) -> None:
    """Add the commands."""
    verbs = commands.add_parser("hosts", help="the fleet").add_subparsers(metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="show the hosts")
    listing.add_argument("selector", nargs="?", default="", help="such as 'zone=eu,us tag!=maint name~bj-*'")
    listing.set_defaults(act=list_hosts)
    importing = verbs.add_parser("import", help="bring hosts in from a CSV or YAML file, all or none")
    importing.add_argument("file", type=Path)
    importing.set_defaults(act=import_file)
    trust = verbs.add_parser("trust", help="accept the host key that was seen on a host")
    trust.add_argument("name")
    trust.add_argument("--fingerprint", help="accept only this one, SHA256:…")
    trust.set_defaults(act=trust_name)
    for parser in (listing, importing, trust):
        add_json(parser)
        add_home(parser)


def list_hosts(given: argparse.Namespace) -> int:
    """Print the hosts that the selector names."""
    open_installation(given.home)
    from rollcast.engine.selector import parse_selector
    from rollcast.fleet.queries import fleet_rows

    selector = parse_selector(given.selector)
    rows = [row for row in fleet_rows() if selector.matches(row["name"], row["labels"])]
    if given.json:
        print_json(rows)
        return OK
    print_table(
        ("NAME", "ADDRESS", "USER", "LABELS", "HOST KEY"),
        (
            (
                row["name"],
                f"{row['address']}:{row['port']}",
                row["user"],
                " ".join(f"{key}={value}" for key, value in row["labels"].items()),
                _key_state(row),
            )
            for row in rows
        ),
    )
    return OK


def _key_state(row: Mapping[str, Any]) -> str:
    if row["pending"]:
        return "waits for a decision"
    return "trusted" if row["pinned"] else "unknown"


def import_file(given: argparse.Namespace) -> int:
    """Import an inventory."""
    text = given.file.read_text("utf-8")
    open_installation(given.home)
    from rollcast.fleet.actions import import_hosts

    report = import_hosts(text, given.file.name, actor())
    said = {"created": report.created, "updated": report.updated, "unchanged": report.unchanged}
    if given.json:
        print_json(said)
    else:
        print(", ".join(f"{len(names)} {word}" for word, names in said.items()))
    return OK


def trust_name(given: argparse.Namespace) -> int:
    """Pin the key that was seen on a host."""
    open_installation(given.home)
    from rollcast.fleet.actions import trust_host

    key = trust_host(given.name, actor(), given.fingerprint)
    said = {"host": given.name, "algorithm": key.algorithm, "fingerprint": key.fingerprint}
    print_json(said) if given.json else print(
        f"{given.name} is trusted with {key.algorithm} {key.fingerprint}"
    )
    return OK
