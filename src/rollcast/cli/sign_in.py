"""`rollcast sign-in`: a link that signs a person in once."""

from __future__ import annotations

import argparse
import getpass

from rollcast.cli.arguments import Commands, add_home, add_json
from rollcast.cli.installation import actor, noted_address, open_installation
from rollcast.cli.said import FAILED, OK, print_json, say


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("sign-in", help="print a one-time sign-in link")
    parser.add_argument(
        "--user", default=getpass.getuser(), help="who signs in; made when missing (default: you)"
    )
    add_json(parser)
    add_home(parser)
    parser.set_defaults(act=sign_in)


def sign_in(given: argparse.Namespace) -> int:
    """Print the link of the running console."""
    url = noted_address(given.home)
    if url is None:
        say(f"no console of {given.home} is running", "Start it: rollcast up")
        return FAILED
    open_installation(given.home)
    from rollcast.config.sign_in import sign_in_link

    link = sign_in_link(url, given.user, actor())
    print_json({"link": link, "user": given.user}) if given.json else print(link)
    return OK
