"""A small shop that imports its supplier's price list. It has livefeed and nothing of Rollcast."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

HOME = Path(os.environ["FOREIGN_HOME"])
SECRET_KEY = "only-for-tests-and-long-enough-to-satisfy-the-checks-of-django"
ALLOWED_HOSTS = ["127.0.0.1"]

INSTALLED_APPS = [
    "shop",
    "livefeed",
    "channels",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "shop.urls"
ASGI_APPLICATION = "shop.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
]
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": HOME / "shop.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "sign_in"
STATIC_URL = "static/"
USE_TZ = True
LIVEFEED = {
    "MAY_READ": "shop.rights.may_read",
    "RETRY_FIRST_MAX_MS": 200,  # the page comes back soon, so that a test can cut often
    "RETRY_CAP_MS": 300,
}
