"""Runs this project as its own: what makes up `rollcast up` cannot be imported, nor these tests.

python barred.py manage migrate    what manage.py does
python barred.py serve             its ASGI application on a free port, printed as a line of JSON
"""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any

BARRED = ("rollcast.config", "rollcast.cli", "rollcast.demo", "tests")


def main(arguments: list[str]) -> None:
    """Bar, then run."""
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(BARRED))  # None: from now on importing it fails
    os.environ["DJANGO_SETTINGS_MODULE"] = "backoffice.settings"
    if arguments[0] == "serve":
        _serve()
        return
    from django.core.management import execute_from_command_line

    execute_from_command_line(arguments)


def _serve() -> None:
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config("backoffice.asgi:application", ws="wsproto", log_level="warning")
    server = uvicorn.Server(config)
    sys.stdout.write(json.dumps({"port": listener.getsockname()[1]}) + "\n")
    sys.stdout.flush()
    sockets: Any = [listener]
    server.run(sockets=sockets)


if __name__ == "__main__":
    main(sys.argv[1:])
