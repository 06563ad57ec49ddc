"""`rollcast manage …`: Django's management commands on the installation; `livefeed_prune`, say."""

from __future__ import annotations

import argparse

from rollcast.cli.arguments import Commands, add_home
from rollcast.cli.installation import open_installation
from rollcast.cli.said import OK


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "manage",
        help="management commands: livefeed_prune, livefeed_rotate_epoch, …",
        description="Runs a management command on the installation; `rollcast manage help` lists them. "
        "--home comes first: what follows the command's name is the command's own.",
    )
    add_home(parser)
    parser.add_argument("command", help="its name")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what belongs to it")
    parser.set_defaults(act=manage)


def manage(given: argparse.Namespace) -> int:
    """Run it; SystemExit with the command's own code if it refuses."""
    open_installation(given.home)
    from django.core.management import execute_from_command_line

    execute_from_command_line(["rollcast manage", given.command, *given.arguments])
    return OK
