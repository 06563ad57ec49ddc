"""`rollcast worker`: one worker beside a console that was started with `--no-worker`, or one more."""

from __future__ import annotations

import argparse
import asyncio
import signal

from rollcast.cli.arguments import Commands, add_home
from rollcast.cli.installation import open_installation
from rollcast.cli.said import OK


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("worker", help="start a worker on the same database")
    parser.add_argument("--name", help="unique among workers (default: made of host, process and chance)")
    add_home(parser)
    parser.set_defaults(act=work)


def work(given: argparse.Namespace) -> int:
    """Work until SIGINT or SIGTERM."""
    open_installation(given.home)
    asyncio.run(_until_told(given.name))
    return OK


async def _until_told(name: str | None) -> None:
    from rollcast.worker.run import WorkerProcess

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    worker = WorkerProcess(name)
    print(f"worker {worker.name} works; Ctrl-C ends it, what runs on hosts goes on", flush=True)
    await worker.run(stop)
