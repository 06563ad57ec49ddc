"""Django settings: what the classic Channels tutorial has, and below it what livefeed adds."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).parent

SECRET_KEY = "only-for-this-example-which-listens-on-127.0.0.1-and-knows-nothing-but-guests"
DEBUG = True
# AllowedHostsOriginValidator compares the page's origin with this list.
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

INSTALLED_APPS = [
    "ver_update",
    "livefeed",
    "channels",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "servestatic",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "servestatic.middleware.ServeStaticMiddleware",  # static files under uvicorn
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "ver_update.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.contrib.auth.context_processors.auth"]},
    }
]
STATIC_URL = "/static/"
USE_TZ = True
# Names of our own: cookies know no ports, and another project may run on this host.
SESSION_COOKIE_NAME = "ver_update"
CSRF_COOKIE_NAME = "ver_update_csrf"

# -- Channels: where its application is, and what carries messages between consumers

ASGI_APPLICATION = "ver_update.asgi.application"

# In memory: one process. Set REDIS_URL, and `pip install channels_redis`, to share groups between processes.
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {}}}
if redis_url := os.environ.get("REDIS_URL"):
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [redis_url]}}
    }

# -- livefeed: a database that keeps the lines, and who may read them

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("VER_UPDATE_DATABASE", HERE / "db.sqlite3"),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
    }
}
LIVEFEED = {
    "MAY_READ": "ver_update.live.may_read",
    # A page that was cut comes back within a second: five, the default, is for many browsers at once.
    "RETRY_FIRST_MAX_MS": 1000,
}
