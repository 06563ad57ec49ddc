"""`rollcast hosts list | import | trust`: the fleet."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollcast.cli.arguments import Commands, add_home, add_json
from rollcast.cli.installation import actor, open_installation
from rollcast.cli.said import BAD_INPUT, OK, print_json, print_table, say

if TYPE_CHECKING:
    from rollcast.fleet.models import HostKey


def add_to(commands: Commands) -> None:
    """Add the commands."""
    verbs = commands.add_parser("hosts", help="the fleet").add_subparsers(metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="show the hosts")
    listing.add_argument("selector", nargs="?", default="", help="such as 'zone=eu,us tag!=maint name~bj-*'")
    listing.set_defaults(act=list_hosts)
    importing = verbs.add_parser("import", help="bring hosts in from a CSV or YAML file, all or none")
    importing.add_argument("file", type=Path)
    importing.set_defaults(act=import_file)
    trust = verbs.add_parser("trust", help="trust the key that a host shows")
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
    """Pin a key of a host: the one of the given fingerprint, else the one that the host shows now.

    A key is trusted when its fingerprint was given, or when a person at the terminal says so: typing the
    same command twice must not trust a key that nobody has compared.
    """
    open_installation(given.home)
    from rollcast.fleet.actions import look_at_host, trust_host
    from rollcast.fleet.queries import host_row

    host = host_row(given.name) or {"keys": []}
    fingerprint: str | None = given.fingerprint
    if fingerprint is None or fingerprint not in {key["fingerprint"] for key in host["keys"]}:
        seen = look_at_host(given.name, actor())
        trusted = [key["fingerprint"] for key in host["keys"] if key["state"] == "pinned"]
        if fingerprint is None and seen.state != "pinned" and not _confirmed(given.name, seen, trusted):
            return BAD_INPUT
        fingerprint = fingerprint or seen.fingerprint
    key = trust_host(given.name, actor(), fingerprint)
    said = {"host": given.name, "algorithm": key.algorithm, "fingerprint": key.fingerprint}
    print_json(said) if given.json else print(
        f"{given.name} is trusted with {key.algorithm} {key.fingerprint}"
    )
    return OK


def _confirmed(name: str, key: HostKey, trusted: Sequence[str]) -> bool:
    """Whether a person at the terminal has compared the key; without a terminal, what to type then."""
    kind = key.algorithm.removeprefix("ssh-").partition("-")[0]
    if trusted:
        say(
            f"THE KEY OF {name} HAS CHANGED. Trusted until now: {', '.join(trusted)}",
            "Either the host was set up anew, or somebody sits between you and it.",
        )
    say(f"{name} shows {key.algorithm} {key.fingerprint}")
    say(f"Compare it on the host itself: ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub")
    if not sys.stdin.isatty():
        say("Then type:", f"rollcast hosts trust {name} --fingerprint {key.fingerprint}")
        return False
    return input("Do you trust it? [y/N] ").strip().lower() in {"y", "yes"}
