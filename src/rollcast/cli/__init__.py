"""The command line: `rollcast up | demo | drill | worker | sign-in | rollout … | hosts … | recipe … | …`.

One module per noun; each adds its arguments here and imports what it works with only when it runs, so that
`--help` answers at once. A command returns its exit code: 0 done, 1 failed or not possible, 2 bad input.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from rollcast.cli import demo, drill, hosts, manage, recipe, rollout, sign_in, up, worker
from rollcast.cli.installation import PRIVATE_UMASK
from rollcast.cli.said import say_error

NOUNS: Final = (up, demo, drill, worker, sign_in, rollout, hosts, recipe, manage)


def arguments() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="rollcast",
        description="Rolls a change out to a fleet over SSH and shows every line of it live.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for noun in NOUNS:
        noun.add_to(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; bad usage ends with SystemExit(2), as argparse has it."""
    given = arguments().parse_args(argv)
    act: Callable[[argparse.Namespace], int] = given.act
    os.umask(PRIVATE_UMASK)
    try:
        return act(given)
    except BrokenPipeError:
        # Whoever read us (`| head`) has had enough; the interpreter must not complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, LookupError) as error:
        return say_error(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 1
