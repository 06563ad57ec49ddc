"""`rollcast demo`: console and fleet until Ctrl-C; the next start finds everything as it was."""

from __future__ import annotations

import asyncio
import getpass
import signal
from pathlib import Path
from typing import Final

from rollcast.demo import asking
from rollcast.demo.carrying import carry_out_drills
from rollcast.demo.fleet import PORTS_FROM
from rollcast.demo.stage import Stage, free_port, kept, set_up

USUAL_PORT: Final = 8420
SETTINGS: Final = "rollcast.demo.settings"


def run_demo(home: Path, *, hosts: int, speed: float, port: int | None, called: str) -> int:
    """Run the demo in `home`; returns the exit code. `called` is how a person calls this program.

    Raises OSError when it cannot start.
    """
    for number in (signal.SIGTERM, signal.SIGINT):  # SIGINT too: a script's background job has it ignored
        signal.signal(number, signal.default_int_handler)
    chosen = free_port(USUAL_PORT if port is None else port)
    try:
        with set_up(
            home, hosts=hosts, speed=speed, port=chosen, ports_from=PORTS_FROM, quiet=False, settings=SETTINGS
        ) as stage:
            asking.forget_unfinished(home)
            _welcome(stage, called)
            try:
                asyncio.run(kept(stage, carry_out_drills(stage)))
            except KeyboardInterrupt:
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second Ctrl-C must not leave half
                print("\nending: the console first, then the power of the fleet …", flush=True)
    except KeyboardInterrupt:
        return 1
    return 0


def _welcome(stage: Stage, called: str) -> None:
    print(
        f"""
  Rollcast demo: {stage.url}

  {stage.hosts} fake game servers, each with a real SSH server on this machine's loopback.
  They run real shell commands as you ({getpass.getuser()}), in {stage.host_folders}.
  The recipe “Update game server” is ready; in a new fleet two hosts fail their first health check.

  Sign in, once, within 30 minutes:
  {stage.sign_in_link()}
  Another link: {called} sign-in --home {stage.home}

  Ctrl-C ends all of it, what runs on the hosts too. The next start finds everything as it was;
  hosts whose step was cut off then wait for you: retry.
""",
        flush=True,
    )
