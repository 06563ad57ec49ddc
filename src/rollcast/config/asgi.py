"""The ASGI application: Django's pages and the live feed's socket on one port.

Who may open a socket is decided here from the outside in: the exact `Origin`, Django's session cookie,
Django's user. What a user may read is asked by livefeed at each subscription.
"""

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rollcast.config.settings")
pages = get_asgi_application()

# They need the apps that the line above loads.
from livefeed.routing import websocket_urlpatterns  # noqa: E402
from livefeed.sign_in import session_user_stack  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": OriginValidator(session_user_stack(URLRouter(websocket_urlpatterns)), settings.ORIGINS),
    }
)
