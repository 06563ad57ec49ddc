"""Makes an installation's folder ready and sets Django up: safe to repeat, fast when nothing changed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SETTINGS = "rollcast.config.settings"
_REACHED_BY_LOOPBACK = {"127.0.0.1", "localhost", "0.0.0.0", "::"}  # noqa: S104 (compared with, not bound)


def origins_of(host: str, port: int) -> list[str]:
    """The exact origins a browser may come from when the console listens on `host` and `port`.

    Loopback is reached by both of its names. A wildcard address says nothing about the name in the browser:
    there the operator adds `ROLLCAST_ORIGINS`.
    """
    shown = f"[{host}]" if ":" in host else host
    names = {shown, "127.0.0.1", "localhost"} if host in _REACHED_BY_LOOPBACK else {shown}
    named = [origin for origin in os.environ.get("ROLLCAST_ORIGINS", "").split(",") if origin]
    return sorted(f"http://{name}:{port}" for name in names) + named


def configure(
    home: Path,
    *,
    origins: Sequence[str] = (),
    cookie: str = "rollcast",
    log_level: str = "WARNING",
    settings: str = SETTINGS,
) -> None:
    """Create `home` where it is missing (mode 700), set the environment, set Django up, and migrate.

    `settings`: dotted path of the settings module, which takes the rest from the environment as ours does.
    Raises OSError when `home` cannot be written.
    """
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    for folder in ("recipes", "files"):
        (home / folder).mkdir(exist_ok=True)
    with _one_at_a_time(home):
        _write_secret(home / "secret_key")
    os.environ.update(
        DJANGO_SETTINGS_MODULE=settings,
        ROLLCAST_HOME=str(home),
        # Not ROLLCAST_ORIGINS: that is what the operator adds, and children must find it as it was.
        ROLLCAST_ALLOWED_ORIGINS=",".join(origins),
        ROLLCAST_COOKIE=cookie,
        ROLLCAST_LOG_LEVEL=log_level,
    )
    import django

    django.setup()
    with _one_at_a_time(home):
        _migrate()


def _migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)


@contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    """Console and workers of one home start together: two that migrate at once break each other's tables."""
    with (home / "starting.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def collect_statics() -> None:
    """Copy static files into the home with hashed names, unless nothing changed since last time."""
    from django.conf import settings
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list(None):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    stamp = Path(settings.STATIC_ROOT) / "collected.sha256"
    with _one_at_a_time(Path(settings.HOME)):
        if stamp.is_file() and stamp.read_text() == digest.hexdigest():
            return
        # django-htmx's extensions (ext/), unused here, name types in comments that no file stands for.
        call_command("collectstatic", verbosity=0, interactive=False, clear=True, ignore_patterns=["ext"])
        stamp.write_text(digest.hexdigest())


def operator(username: str) -> User:
    """The user `username`, who may operate: made when missing, without a password (sign-in by link)."""
    from django.contrib.auth.models import Permission, User

    user, made = User.objects.get_or_create(username=username, defaults={"is_staff": True})
    if made:
        user.set_unusable_password()
        user.save()
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label="rollcast_rollouts", codename="operate")
        )
    return user


def _write_secret(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
