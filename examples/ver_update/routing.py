"""What urls.py is for pages, this is for sockets: path → consumer."""

from __future__ import annotations

from django.urls import path

from livefeed.routing import websocket_urlpatterns as livefeed_urlpatterns
from ver_update.consumers import ChatConsumer, GroupConsumer, UpdateConsumer

websocket_urlpatterns = [
    path("ws/chat/", ChatConsumer.as_asgi()),
    path("ws/group/", GroupConsumer.as_asgi()),
    path("ws/ver_update/", UpdateConsumer.as_asgi()),
    *livefeed_urlpatterns,  # livefeed/
]
