"""`rollcast drill`: a rollout on the demo fleet while everything is killed and cut, and its account."""

from __future__ import annotations

import argparse
from pathlib import Path

from rollcast.cli.arguments import Commands
from rollcast.cli.said import BAD_INPUT, say

MAX_SECONDS = 24 * 3600.0


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "drill",
        help="kill and cut everything during a rollout, and account for every line",
        description="Rolls out on a fleet of fake game servers, as `rollcast demo` does, while it kills the "
        "console and the workers and cuts the connections. Exits with 0 only if the account closes.",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="what is done and when (default: 0)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, metavar="M", help="for how long (default: 1)")
    length.add_argument("--seconds", type=float, metavar="S", help="the same in seconds")
    parser.add_argument("--hosts", type=int, default=8, metavar="N", help="size of the fleet (default: 8)")
    parser.add_argument(
        "--style",
        choices=("apart", "together"),
        help="web and two workers as processes of their own, or all in one (default: by the seed, in turn)",
    )
    parser.add_argument("--home", type=Path, help="keep everything in this folder (default: a temporary one)")
    parser.add_argument(
        "--sabotage", choices=("drop", "repeat", "swap"), help="damage what the client received"
    )
    parser.add_argument("--json", action="store_true", help="print JSON; the last line is the account")
    parser.set_defaults(act=drill)


def drill(given: argparse.Namespace) -> int:
    """Run one drill."""
    minutes = 1.0 if given.minutes is None else given.minutes
    seconds = 60 * minutes if given.seconds is None else given.seconds
    if not 1 <= given.hosts <= 500 or not 5 <= seconds <= MAX_SECONDS:
        say("--hosts is a number from 1 to 500; a drill lasts from 5 seconds to a day")
        return BAD_INPUT
    from rollcast.demo.drill_plan import style_of
    from rollcast.demo.drill_run import run_drill

    return run_drill(
        seed=given.seed,
        seconds=seconds,
        hosts=given.hosts,
        style=given.style or style_of(given.seed),
        home=None if given.home is None else given.home.resolve(),
        as_json=given.json,
        how=given.sabotage,
    )
