"""Settings of the test suite: the shipped project with a database file of its own per test process."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_HOME = Path(tempfile.gettempdir()) / f"rollcast-tests-{os.getuid()}"
(_HOME / "static").mkdir(parents=True, exist_ok=True, mode=0o700)
os.environ["ROLLCAST_HOME"] = str(_HOME)

from rollcast.config.settings import *  # noqa: E402, F403
from rollcast.config.settings import DATABASES, LIVEFEED, ROLLCAST, STORAGES  # noqa: E402

SECRET_KEY = "only-for-tests-and-long-enough-to-satisfy-the-checks-of-django"
# A file, not memory: a second thread on Django's shared-cache memory database fails with "table is locked".
DATABASES["default"]["TEST"] = {"NAME": str(_HOME / f"test-{os.getpid()}.sqlite3")}
ORIGINS = CSRF_TRUSTED_ORIGINS = ["http://testserver"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
# Shrunk periods: tests wait on events, and a deadline that lapses lapses soon.
ROLLCAST |= {
    "LEASE_BEAT_S": 0.1,
    "LEASE_TRUST_S": 1.0,
    "SWEEP_S": 0.1,
    "RECONNECT_FIRST_S": 0.05,
    "RECONNECT_MAX_S": 0.2,
}
LIVEFEED |= {"SAFETY_POLL_S": 0.1}
