"""The installation a command works on: its folder, its database, and who works on it."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

DEFAULT_HOME: Final = Path("~/.local/share/rollcast")
# What an installation writes is its owner's alone: key, database, journals of hosts.
PRIVATE_UMASK: Final = 0o077


def default_home() -> Path:
    """`$ROLLCAST_HOME`, or `~/.local/share/rollcast`."""
    return Path(os.environ.get("ROLLCAST_HOME") or DEFAULT_HOME).expanduser()


def cookie_of(home: Path) -> str:
    """The name of the installation's cookies: a browser keeps cookies per machine, not per port."""
    if home.resolve() == DEFAULT_HOME.expanduser().resolve():
        return "rollcast"
    return "rollcast_" + hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:8]


def open_installation(home: Path) -> None:
    """Set Django up on the installation in `home`, which is made when missing."""
    from rollcast.config.boot import configure

    configure(home.resolve(), cookie=cookie_of(home))


def command() -> str:
    """How this program was called, for what a person is to type next."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "rollcast" else "rollcast"


def actor() -> str:
    """Who acts, for the audit: the user of the operating system."""
    return f"cli:{getpass.getuser()}"


def note_address(home: Path, url: str) -> None:
    """Write down where the console of this installation is reached, for `rollcast sign-in`.

    A second console beside a living one leaves the first one's address.
    """
    if noted_address(home) is not None:
        return
    unfinished = home / "console.new"
    unfinished.write_text(json.dumps({"url": url, "pid": os.getpid()}), "utf-8")
    unfinished.rename(home / "console.json")


def forget_address(home: Path) -> None:
    """This process was the console that noted its address, and has ended."""
    with suppress(FileNotFoundError, json.JSONDecodeError):
        if json.loads((home / "console.json").read_text("utf-8"))["pid"] == os.getpid():
            (home / "console.json").unlink()


def noted_address(home: Path) -> str | None:
    """Where the running console is reached; None when there is none."""
    with suppress(FileNotFoundError, ProcessLookupError, json.JSONDecodeError):
        noted = json.loads((home / "console.json").read_text("utf-8"))
        os.kill(noted["pid"], 0)
        return str(noted["url"])
    return None
