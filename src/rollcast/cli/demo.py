"""`rollcast demo`: a console and fake game servers to try it on, or, with `--once`, its own proof."""

from __future__ import annotations

import argparse
from pathlib import Path

from rollcast.cli.arguments import Commands
from rollcast.cli.installation import command
from rollcast.cli.said import BAD_INPUT, say


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "demo",
        help="try it on a fleet of fake game servers on this machine",
        description="Starts a console and SSH servers on loopback. They run real shell commands as you.",
    )
    parser.add_argument("--hosts", type=int, default=24, metavar="N", help="size of the fleet (default: 24)")
    parser.add_argument(
        "--speed",
        type=float,
        metavar="X",
        help="2 = the fake servers take half the time (default: 1; once: 10)",
    )
    parser.add_argument(
        "--port", type=int, metavar="P", help="the console's port (default: 8420 or a free one)"
    )
    parser.add_argument("--home", type=Path, default=Path(".demo"), help="the demo's folder (default: .demo)")
    once = parser.add_argument_group("without a browser")
    once.add_argument(
        "--once", action="store_true", help="one rollout, followed and accounted for, then the end"
    )
    once.add_argument(
        "--sabotage", choices=("drop", "repeat", "swap"), help="damage what the client received"
    )
    once.add_argument("--json", action="store_true", help="print the account as JSON")
    parser.set_defaults(act=demo)


def demo(given: argparse.Namespace) -> int:
    """Run the demo until Ctrl-C, or once."""
    if not 1 <= given.hosts <= 500 or not (given.speed is None or 0.01 <= given.speed <= 1000):
        say("--hosts is a number from 1 to 500, --speed one from 0.01 to 1000")
        return BAD_INPUT
    if (given.json or given.sabotage) and not given.once:
        say("--json and --sabotage go with --once", "Add --once.")
        return BAD_INPUT
    if given.once:
        from rollcast.demo.once import run_once

        return run_once(hosts=given.hosts, speed=given.speed, as_json=given.json, how=given.sabotage)
    from rollcast.demo.run import run_demo

    return run_demo(
        given.home.resolve(),
        hosts=given.hosts,
        speed=given.speed or 1.0,
        port=given.port,
        called=command(),
    )
