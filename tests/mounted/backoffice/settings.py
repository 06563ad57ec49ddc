"""A back office that was there before Rollcast. What it added for it stands between the two marks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

HOME = Path(os.environ["FOREIGN_HOME"])
SECRET_KEY = "only-for-tests-and-long-enough-to-satisfy-the-checks-of-django"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]

INSTALLED_APPS = [
    "backoffice.people",
    # >>> Rollcast
    "rollcast.access",
    "rollcast.fleet",
    "rollcast.rollouts",
    "rollcast.worker",
    "rollcast.console",
    "livefeed",
    "channels",
    "django_htmx",
    "lucide",
    # <<< Rollcast
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "backoffice.urls"
ASGI_APPLICATION = "backoffice.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": HOME / "backoffice.sqlite3",
        "ATOMIC_REQUESTS": True,
        # >>> Rollcast
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        },
        # <<< Rollcast
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "people.Person"
LOGIN_URL = "/staff/enter/"
LOGIN_REDIRECT_URL = "/"
SESSION_COOKIE_NAME = "backoffice"
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
CSRF_COOKIE_NAME = "XSRF-TOKEN"
CSRF_HEADER_NAME = "HTTP_X_XSRF_TOKEN"
CSRF_COOKIE_HTTPONLY = True

LANGUAGES = [("en", "English"), ("zh-hans", "简体中文"), ("de", "Deutsch")]
USE_TZ = True
STATIC_URL = "assets/"

# >>> Rollcast
ROLLCAST = {
    "HOME": HOME / "rollcast",
    "BASE_TEMPLATE": "backoffice/rollcast.html",
}
LIVEFEED = {
    "MAY_READ": "rollcast.access.permissions.may_read_feed",
    "DOORBELL": "livefeed.doorbells.sqlite.SqliteDoorbell",
}
# <<< Rollcast
