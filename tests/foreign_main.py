"""The program of tests/foreign.py: runs a project as its own, with some packages barred from being imported.

python foreign_main.py manage migrate    what manage.py does
python foreign_main.py uvicorn           its ASGI application on a free port, printed as a line of JSON
python foreign_main.py daphne            the same by Channels' own server

FOREIGN_BARRED names the packages, FOREIGN_ASGI the application; DJANGO_SETTINGS_MODULE is the project's.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from importlib import import_module
from typing import Any


def main(arguments: list[str]) -> None:
    """Bar, then run."""
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(os.environ["FOREIGN_BARRED"].split()))  # None: importing it fails now
    {"manage": _manage, "uvicorn": _uvicorn, "daphne": _daphne}[arguments[0]](arguments)


def _manage(arguments: list[str]) -> None:
    from django.core.management import execute_from_command_line

    execute_from_command_line(arguments)


def _uvicorn(arguments: list[str]) -> None:
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    # asyncio does not do it for a socket it was handed: without it a second message waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(os.environ["FOREIGN_ASGI"], ws="wsproto", log_level="warning")
    _say(listener.getsockname()[1])
    uvicorn.Server(config).run(sockets=[listener])


def _daphne(arguments: list[str]) -> None:
    from daphne.server import Server

    module, name = os.environ["FOREIGN_ASGI"].split(":")
    server: Any = Server(
        getattr(import_module(module), name),
        endpoints=["tcp:port=0:interface=127.0.0.1"],
        ready_callable=lambda: _say(server.listening_addresses[0][1]),
    )
    server.run()


def _say(port: int) -> None:
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
