"""A small project that is not Rollcast: livefeed behind real Channels routing on a real server.

As a program (`python -m tests.livefeed.serving`) it serves on a free port and prints that; as a module it
gives tests `application`, and `Server` to start, kill and restart that program on the test's own database
file.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# Limits shrunk so that tests wait on events; poll fast enough that a muted bell still lets tests be quick.
LIVEFEED: dict[str, Any] = {
    "MAY_READ": "tests.livefeed.serving.may_read",
    "SAFETY_POLL_S": 0.02,
    "QUIET_S": 0.2,
    "MAX_PER_USER": 1000,  # everybody is Olga
}
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ORIGIN = "http://live.test"


def may_read(user: Any, feed: str) -> bool:
    """Everybody who is signed in reads everything but what is secret."""
    return not feed.startswith("secret") or bool(user.is_superuser)


def settings() -> dict[str, Any]:
    """The smallest project that can serve a feed."""
    return {
        "SECRET_KEY": "only-for-tests-and-long-enough-to-satisfy-the-checks-of-django",
        "ALLOWED_HOSTS": ["127.0.0.1"],
        "INSTALLED_APPS": [
            "livefeed",
            "channels",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
        ],
        "MIDDLEWARE": MIDDLEWARE,
        "ROOT_URLCONF": "tests.livefeed.serving_urls",
        "ASGI_APPLICATION": "tests.livefeed.served.application",
        "CSRF_TRUSTED_ORIGINS": [ORIGIN],
        "USE_TZ": True,
        "SESSION_COOKIE_NAME": os.environ["LIVE_COOKIE"],
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": os.environ["LIVE_DATABASE"],
                "OPTIONS": {
                    "transaction_mode": "IMMEDIATE",
                    "timeout": 20,
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
                },
            }
        },
        "LIVEFEED": LIVEFEED | json.loads(os.environ["LIVE_LIVEFEED"]),
    }


def application() -> Any:
    """HTTP by Django; the socket by Channels, with origin check and sign-in in front of it."""
    from channels.routing import ProtocolTypeRouter, URLRouter
    from channels.security.websocket import OriginValidator
    from django.core.asgi import get_asgi_application

    http = get_asgi_application()
    from livefeed.routing import websocket_urlpatterns
    from livefeed.sign_in import session_user_stack

    socket = OriginValidator(session_user_stack(URLRouter(websocket_urlpatterns)), [ORIGIN])
    return ProtocolTypeRouter({"http": http, "websocket": socket})


def main() -> None:
    """Serve on a free port, printed as a line of JSON once we listen."""
    import django
    from django.conf import settings as django_settings

    django_settings.configure(**settings())
    django.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    # asyncio does not do it for a socket it was handed: without it a second message waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sys.stdout.write(json.dumps({"port": listener.getsockname()[1]}) + "\n")
    sys.stdout.flush()
    run = {"uvicorn": run_uvicorn, "launcher": run_launcher, "daphne": run_daphne}
    run[os.environ["LIVE_SERVER"]](listener)


def run_uvicorn(listener: socket.socket) -> None:
    """By uvicorn alone, as a project that mounts livefeed may do."""
    import uvicorn

    config = uvicorn.Config(
        application(),
        ws="wsproto",
        lifespan="off",
        log_level="warning",
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,  # an event stream has no end of its own that a redeploy could wait for
    )
    uvicorn.Server(config).run(sockets=[listener])


def run_launcher(listener: socket.socket) -> None:
    """By what `rollcast up` is started with."""
    from rollcast.config.launcher import Server as Launched
    from rollcast.config.launcher import uvicorn_settings

    Launched(uvicorn_settings(application())).run(sockets=[listener])


def run_daphne(listener: socket.socket) -> None:
    """As `runserver` does with Channels' own server."""
    from daphne.server import Server as Daphne

    Daphne(application(), endpoints=[f"fd:fileno={listener.fileno()}"]).run()


def environment(
    database: str, livefeed: dict[str, Any], cookie: str = "live", kind: str = "uvicorn"
) -> dict[str, str]:
    """What a process needs for `settings()`: the database's file, changes to LIVEFEED, the cookie's name."""
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return kept | {
        "LIVE_DATABASE": database,
        "LIVE_LIVEFEED": json.dumps(livefeed),
        "LIVE_COOKIE": cookie,
        "LIVE_SERVER": kind,
        "PYTHONPATH": str(ROOT),
    }


class Server:
    """The program above as a process."""

    def __init__(
        self, bell: str, livefeed: dict[str, Any], database: str, cookie: str, kind: str = "uvicorn"
    ) -> None:
        self._environment = environment(database, livefeed, cookie, kind)
        self.bell = bell
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.livefeed.serving"],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = json.loads(self._process.stdout.readline())["port"]

    @property
    def process(self) -> Path:
        """What the kernel says of the running process."""
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int | None:
        """End it; by which signal it ended, as a negative number."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.send_signal(how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        assert process.stdout is not None
        process.stdout.close()
        return process.returncode


if __name__ == "__main__":
    main()
