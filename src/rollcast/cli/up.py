"""`rollcast up`: the console, with a worker in the same process unless told otherwise."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final

from rollcast.cli.arguments import Commands, add_home, add_json
from rollcast.cli.installation import command, cookie_of, forget_address, note_address
from rollcast.cli.said import FAILED, OK, print_json, say
from rollcast.config.boot import SETTINGS

PORT: Final = 8420
# A worker that ends gives its rollouts back; what it cannot give back in this time lapses by its lease.
WORKER_END_S: Final = 10.0


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("up", help="start the console")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=PORT, help=f"port, 0 = a free one (default: {PORT})")
    parser.add_argument(
        "--no-worker", action="store_true", help="only the web; run `rollcast worker` beside it"
    )
    add_json(parser)
    parser.add_argument("--settings", default=SETTINGS, help=argparse.SUPPRESS)  # the demo has its own
    parser.add_argument("--lifeline", action="store_true", help="end when stdin ends")
    add_home(parser)
    parser.set_defaults(act=up)


def up(given: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, or until the worker beside it cannot go on."""
    from rollcast.config.boot import collect_statics, configure, origins_of
    from rollcast.config.launcher import Console

    # After an orderly end uvicorn raises the signal once more; it must not end the process before the worker.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = given.home.resolve()
    console = Console(given.host, given.port)
    port = console.bind()
    configure(home, origins=origins_of(given.host, port), cookie=cookie_of(home), settings=given.settings)
    collect_statics()
    if given.lifeline:
        threading.Thread(target=_end_with_stdin, name="lifeline", daemon=True).start()
    shown = f"[{given.host}]" if ":" in given.host else given.host
    url = f"http://{shown}:{port}"
    worker = None
    errors: list[Exception] = []  # of the worker, at most one

    def end_by(error: Exception) -> None:
        errors.append(error)
        _end()

    try:
        if not given.no_worker:
            from rollcast.worker.run import WorkerProcess

            worker = WorkerProcess().run_in_thread(on_error=end_by)
        console.run(lambda: _announce(home, url, as_json=given.json))
    except KeyboardInterrupt:  # before the server listened to signals
        if not errors:
            raise
    finally:
        forget_address(home)
        if worker is not None:
            worker.stop(WORKER_END_S)
    if not errors:
        return OK
    say(
        f"The worker ended by an error, and the console with it: {errors[0]!r}",
        "The log says where. What runs on hosts goes on; the next start goes on with it.",
    )
    return FAILED


def _announce(home: Path, url: str, *, as_json: bool) -> None:
    note_address(home, url)
    if as_json:
        print_json({"url": url, "pid": os.getpid(), "home": str(home)})
        return
    print(f"Rollcast: {url}\nA sign-in link: {command()} sign-in --home {home}", flush=True)


def _end_with_stdin() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    _end()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
