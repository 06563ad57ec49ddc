"""`python -m ver_update [--port 8430]`: the server, and the cable in front of it."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys
from contextlib import suppress

import django
import uvicorn
from channels.routing import get_default_application
from django.core.management import call_command

from ver_update.cable import cable


async def serve(port: int) -> None:
    """Serve until Ctrl-C."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a short message must not wait for an ACK
    config = uvicorn.Config(
        get_default_application(),  # what ASGI_APPLICATION names
        ws="wsproto",
        ws_max_size=64 * 1024,
        ws_per_message_deflate=False,
        ws_ping_interval=20.0,  # proxies cut what is silent for 60 s
        ws_ping_timeout=60.0,
        timeout_graceful_shutdown=2,
        lifespan="off",
        log_level="warning",
    )
    async with cable.laid(port, listener.getsockname()[1]) as shown:
        print(f"Open http://127.0.0.1:{shown}/ in a browser · 请用浏览器打开. Ctrl-C ends it.", flush=True)
        await uvicorn.Server(config).serve(sockets=[listener])


def main() -> None:
    """Make the database ready, then serve."""
    parser = argparse.ArgumentParser(prog="ver_update", description=__doc__)
    parser.add_argument("--port", type=int, default=8430, help="0: a free one")
    port = parser.parse_args().port
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ver_update.settings")
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(port))
    except OSError as error:
        sys.exit(
            f"Cannot listen on port {port}: {os.strerror(error.errno or 0)}. Choose another one with --port."
        )


if __name__ == "__main__":
    main()
