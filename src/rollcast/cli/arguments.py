"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from rollcast.cli.installation import DEFAULT_HOME, default_home

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_home(parser: argparse.ArgumentParser) -> None:
    """Give a command its `--home`."""
    parser.add_argument(
        "--home",
        type=Path,
        default=default_home(),
        help=f"folder of the installation (default: $ROLLCAST_HOME or {DEFAULT_HOME})",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Give a command its `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON")
