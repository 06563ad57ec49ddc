"""`rollcast worker`: one worker beside a console that was started with `--no-worker`, or one more."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys

from rollcast.cli.arguments import Commands, add_home, add_json
from rollcast.cli.installation import open_installation
from rollcast.cli.said import OK, print_json


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("worker", help="start a worker on the same database")
    parser.add_argument("--name", help="unique among workers (default: made of host, process and chance)")
    add_json(parser)
    parser.add_argument("--lifeline", action="store_true", help="end when stdin ends")
    add_home(parser)
    parser.set_defaults(act=work)


def work(given: argparse.Namespace) -> int:
    """Work until SIGINT or SIGTERM."""
    open_installation(given.home)
    asyncio.run(_until_told(given.name, as_json=given.json, lifeline=given.lifeline))
    return OK


async def _until_told(name: str | None, *, as_json: bool, lifeline: bool) -> None:
    from rollcast.worker.run import WorkerProcess

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if lifeline:
        loop.add_reader(sys.stdin.fileno(), _end_with_stdin, stop)
    worker = WorkerProcess(name)
    if as_json:
        print_json({"worker": worker.name, "pid": os.getpid()})
    else:
        print(f"worker {worker.name} works; Ctrl-C ends it, what runs on hosts goes on", flush=True)
    await worker.run(stop)


def _end_with_stdin(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        stop.set()
