"""The program of tests/foreign.py: runs a project as its own, with some packages barred from being imported.

python foreign_main.py manage migrate    what manage.py does
python foreign_main.py serve             its ASGI application on a free port, printed as a line of JSON

FOREIGN_BARRED names the packages, FOREIGN_ASGI the application; DJANGO_SETTINGS_MODULE is the project's.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any


def main(arguments: list[str]) -> None:
    """Bar, then run."""
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(os.environ["FOREIGN_BARRED"].split()))  # None: importing it fails now
    if arguments[0] == "serve":
        _serve()
        return
    from django.core.management import execute_from_command_line

    execute_from_command_line(arguments)


def _serve() -> None:
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    # asyncio does not do it for a socket it was handed: without it a second message waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(os.environ["FOREIGN_ASGI"], ws="wsproto", log_level="warning")
    sys.stdout.write(json.dumps({"port": listener.getsockname()[1]}) + "\n")
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1:])
