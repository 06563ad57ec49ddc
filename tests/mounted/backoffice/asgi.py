"""The back office's ASGI application: its pages, and the live feed's socket under `/ops/`."""

# mypy: disable-error-code="arg-type, list-item"
# (The types of Django's path() know views only.)

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backoffice.settings")
# The handler serves static files, which a web server in front of it does elsewhere.
pages = ASGIStaticFilesHandler(get_asgi_application())

# They need the apps that the line above loads.
from livefeed.routing import websocket_urlpatterns  # noqa: E402
from livefeed.sign_in import session_user_stack  # noqa: E402

sockets = session_user_stack(URLRouter([path("ops/", URLRouter(websocket_urlpatterns))]))
application = ProtocolTypeRouter({"http": pages, "websocket": AllowedHostsOriginValidator(sockets)})
