"""The shop's ASGI application."""

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
pages = ASGIStaticFilesHandler(get_asgi_application())

# They need the apps that the line above loads.
from livefeed.routing import websocket_urlpatterns  # noqa: E402
from livefeed.sign_in import session_user_stack  # noqa: E402

sockets = session_user_stack(URLRouter(websocket_urlpatterns))
application = ProtocolTypeRouter({"http": pages, "websocket": AllowedHostsOriginValidator(sockets)})
