"""Django settings of the project that Rollcast ships (`rollcast up`, `rollcast demo`): wiring only.

Everything comes from the environment, set by `rollcast.config.boot`; nothing outside `config`, `cli` and
`demo` may import this module.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rollcast.conf import DEFAULTS
from rollcast.config.own_settings import own_settings

HOME = Path(os.environ.get("ROLLCAST_HOME", Path.home() / ".local" / "share" / "rollcast"))
SECRET_FILE = HOME / "secret_key"
# Without the file only commands that sign nothing work: `rollcast.config.boot` creates it, mode 600.
SECRET_KEY = (
    SECRET_FILE.read_text().strip()
    if SECRET_FILE.is_file()
    else "no secret: run through rollcast.config.boot"
)

DEBUG = False
ORIGINS = [origin for origin in os.environ.get("ROLLCAST_ALLOWED_ORIGINS", "").split(",") if origin]
ALLOWED_HOSTS = os.environ.get("ROLLCAST_HOSTS", "127.0.0.1,localhost,[::1]").split(",")
CSRF_TRUSTED_ORIGINS = ORIGINS

INSTALLED_APPS = [
    "rollcast.access",
    "rollcast.fleet",
    "rollcast.rollouts",
    "rollcast.worker",
    "rollcast.console",
    "livefeed",
    "channels",
    "django_htmx",
    "lucide",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "servestatic",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "rollcast.config.urls"
ASGI_APPLICATION = "rollcast.config.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
_own = own_settings(HOME)
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": HOME / "rollcast.sqlite3",
        "OPTIONS": {
            # IMMEDIATE: a read that turns into a write would otherwise fail at once with "locked".
            "transaction_mode": "IMMEDIATE",
            "timeout": _own["ROLLCAST"].get("DATABASE_LOCK_S", DEFAULTS["DATABASE_LOCK_S"]),
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
CSRF_FAILURE_VIEW = "rollcast.console.pages.errors.csrf_failed"
LOGIN_URL = "access:sign_in"
LOGIN_REDIRECT_URL = "console:overview"
# A cookie does not know ports: two installations on one machine must not sign each other out.
SESSION_COOKIE_NAME = os.environ.get("ROLLCAST_COOKIE", "rollcast") + "_session"
CSRF_COOKIE_NAME = os.environ.get("ROLLCAST_COOKIE", "rollcast") + "_csrf"
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = any(origin.startswith("https:") for origin in ORIGINS)

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LANGUAGE_COOKIE_NAME = "rollcast_language"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = HOME / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "rollcast.config.statics.ModuleStaticFilesStorage"},
}

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "manifest-src": ["'self'"],
    }
}

ROLLCAST: dict[str, Any] = {"HOME": HOME} | _own["ROLLCAST"]
LIVEFEED: dict[str, Any] = {
    "MAY_READ": "rollcast.access.permissions.may_read_feed",
    "DOORBELL": "livefeed.doorbells.sqlite.SqliteDoorbell",
} | _own["LIVEFEED"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    # A refused request is the visitor's business and is answered on the page; ours are errors.
    "loggers": {"django.request": {"level": "ERROR"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("ROLLCAST_LOG_LEVEL", "WARNING")},
}
