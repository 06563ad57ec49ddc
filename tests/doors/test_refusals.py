"""Shut by default: every page, API path and socket refuses strangers, the unentitled and foreign pages.

The routes come from the resolver and from the socket's router: one that is new and not in the table fails.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Literal

import pytest
from channels.routing import URLRouter
from channels.security.websocket import OriginValidator
from channels.testing import WebsocketCommunicator
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import AsyncClient, Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

import livefeed
from livefeed.routing import websocket_urlpatterns
from rollcast.config.asgi import application
from rollcast.fleet.actions import import_hosts
from rollcast.rollouts.actions import StartRequest, start_rollout
from tests.console.conftest import HOSTS

pytestmark = pytest.mark.usefixtures("recipes")

FOREIGN: Final = "https://evil.example"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Words that are on pages and in feeds, and that nobody may see who is refused.
SECRETS: Final = ("Say hello", "127.0.0.1", "eu-02", "secret line")
Kind = Literal["page", "api", "socket", "stream"]

# Route -> an address, and the methods that it serves.
DOORS: Final[dict[str, tuple[str, str]]] = {
    "": ("/", "GET"),
    "fleet/": ("/fleet/", "GET"),
    "fleet/import": ("/fleet/import", "GET POST"),
    "fleet/<str:name>/": ("/fleet/eu-01/", "GET"),
    "fleet/<str:name>/trust": ("/fleet/eu-01/trust", "POST"),
    "fleet/<str:name>/refuse": ("/fleet/eu-01/refuse", "POST"),
    "fleet/<str:name>/look": ("/fleet/eu-01/look", "POST"),
    "live/": ("/live/", "GET"),
    "recipes/": ("/recipes/", "GET"),
    "recipes/<str:name>/": ("/recipes/hello/", "GET"),
    "rollouts/": ("/rollouts/", "GET"),
    "rollouts/new/": ("/rollouts/new/?recipe=hello", "GET POST"),
    "rollouts/new/preview": ("/rollouts/new/preview?recipe=hello", "GET"),
    "rollouts/<int:rollout_id>/": ("/rollouts/{id}/", "GET"),
    "api/openapi.json": ("/api/openapi.json", "GET"),
    "api/status": ("/api/status", "GET"),
    "api/live": ("/api/live", "GET"),
    "api/hosts": ("/api/hosts", "GET"),
    "api/hosts/import": ("/api/hosts/import", "POST"),
    "api/hosts/<name>/trust": ("/api/hosts/eu-01/trust", "POST"),
    "api/hosts/<name>/look": ("/api/hosts/eu-01/look", "POST"),
    "api/recipes": ("/api/recipes", "GET"),
    "api/recipes/validate": ("/api/recipes/validate", "POST"),
    "api/rollouts/preview": ("/api/rollouts/preview", "POST"),
    "api/rollouts": ("/api/rollouts", "GET POST"),
    "api/rollouts/<int:rollout_id>": ("/api/rollouts/{id}", "GET"),
    "api/rollouts/<int:rollout_id>/pause": ("/api/rollouts/{id}/pause", "POST"),
    "api/rollouts/<int:rollout_id>/resume": ("/api/rollouts/{id}/resume", "POST"),
    "api/rollouts/<int:rollout_id>/cancel": ("/api/rollouts/{id}/cancel", "POST"),
    "api/rollouts/<int:rollout_id>/accept": ("/api/rollouts/{id}/accept", "POST"),
    "api/rollouts/<int:rollout_id>/retry": ("/api/rollouts/{id}/retry", "POST"),
    "api/rollouts/<int:rollout_id>/log.txt": ("/api/rollouts/{id}/log.txt", "GET"),
    "livefeed/": ("/livefeed/?feed=rollout/{id}", "GET"),
    "livefeed/history": ("/livefeed/history?feed=rollout/{id}", "GET"),
}
SOCKETS: Final = {"livefeed/": "/livefeed/"}
# What anybody may ask for, and why.
OPEN: Final = {
    "sign-in/": "whoever is not signed in signs in here",
    "sign-in/link/<str:token>/": "the token, good once, is the right",
    "sign-out/": "ends only the session of whoever asks",
    "i18n/setlang/": "sets only the asker's language",
    "jsi18n/": "the words of the pages; no data",
    "api/": "the root of the API has no operation: 404 for everybody",
}
# Django's own site with its own sign-in; its pages are not ours to list. Statics are files, not routes.
NOT_OURS: Final = "admin/"


@dataclass(frozen=True)
class Door:
    """One address and one method ("WS" for a socket)."""

    path: str
    method: str

    @property
    def kind(self) -> Kind:
        if self.method == "WS":
            return "socket"
        if self.path.startswith("/livefeed/?"):
            return "stream"
        return "api" if self.path.startswith(("/api/", "/livefeed/")) else "page"

    def at(self, rollout_id: int) -> str:
        return self.path.format(id=rollout_id)


ALL: Final = [Door(path, method) for path, methods in DOORS.values() for method in methods.split()] + [
    Door(path, "WS") for path in SOCKETS.values()
]


def committed(path: str) -> pytest.MarkDecorator:
    """The feed reads in threads of its own: what it is to find must be committed."""
    return pytest.mark.django_db(transaction="livefeed" in path)


per_door = pytest.mark.parametrize(
    "door",
    [pytest.param(door, marks=committed(door.path)) for door in ALL],
    ids=lambda door: f"{door.method} {door.path}",
)


def routes(patterns: Sequence[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    """Every route of a URLconf."""
    for one in patterns:
        assert isinstance(one.pattern, RoutePattern) or str(one.pattern).startswith("^"), one
        route = prefix + str(one.pattern)
        if isinstance(one, URLResolver) and route != NOT_OURS:
            yield from routes(one.url_patterns, route)
        else:
            yield route


def test_the_table_knows_every_door() -> None:
    assert set(routes(get_resolver().url_patterns)) == DOORS.keys() | OPEN.keys() | {NOT_OURS}
    assert {str(route.pattern) for route in websocket_urlpatterns} == SOCKETS.keys()


def test_the_application_has_no_socket_besides_the_table() -> None:
    """asgi.py routes what livefeed brings, and nothing more."""
    router: Any = application.application_mapping["websocket"]
    while not isinstance(router, URLRouter):
        router = router.application if isinstance(router, OriginValidator) else router.inner
    assert router.routes == websocket_urlpatterns


@pytest.fixture
def rollout_id(db: None, recipes: object) -> int:
    """A rollout whose feed has something to hide."""
    import_hosts(HOSTS, "hosts.csv", "user:olga")
    started = start_rollout(StartRequest("hello", {"version": "1.2"}), "user:olga")
    livefeed.append(f"rollout/{started}", [livefeed.Chunk("t1", "line", ["secret line"])])
    return started


def person(right: bool) -> User:
    """Somebody who may operate, or not."""
    user = User.objects.create_user("olga" if right else "paul", password="x", is_staff=True)
    if right:
        user.user_permissions.add(Permission.objects.get(codename="operate"))
    return user


def knock(door: Door, rollout_id: int, user: User | None, origin: str | None) -> tuple[int, str]:
    """(status or close code, all that was said) at a door."""
    if door.kind == "stream":
        return asyncio.run(_knock_at_stream(door, rollout_id, user, origin))
    client = Client(enforce_csrf_checks=user is not None)
    if user is not None:
        client.force_login(user)
    if door.kind == "socket":
        cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
        return asyncio.run(_knock_at_socket(door.path, cookie.value if cookie else "", rollout_id, origin))
    headers = {} if origin is None else {"origin": origin}
    response: Any = client.generic(door.method, door.at(rollout_id), headers=headers)
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return response.status_code, body.decode() + response.headers.get("Location", "")


async def _knock_at_stream(
    door: Door, rollout_id: int, user: User | None, origin: str | None
) -> tuple[int, str]:
    client = AsyncClient(enforce_csrf_checks=user is not None)
    if user is not None:
        await client.aforce_login(user)
    headers = {} if origin is None else {"origin": origin}
    response: Any = await client.generic(door.method, door.at(rollout_id), headers=headers)
    if not response.streaming:
        return response.status_code, response.content.decode()
    said = ""
    async for piece in response.streaming_content:
        said += piece.decode()
        message = json.loads(piece.decode().partition("data: ")[2])
        if message["t"] == "bye":
            return int(message["code"]), said
        if message["t"] == "caught_up":
            break
    return response.status_code, said


async def _knock_at_socket(path: str, session: str, rollout_id: int, origin: str | None) -> tuple[int, str]:
    headers = [(b"host", b"testserver"), (b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode())]
    headers.append((b"origin", (origin or "http://testserver").encode()))
    socket = WebsocketCommunicator(application, path, headers=headers, subprotocols=["livefeed.v1"])
    connected, _ = await socket.connect(timeout=10)
    if not connected:
        return 403, ""
    sub = {"t": "sub", "id": 1, "feed": f"rollout/{rollout_id}", "epoch": None, "after": 0}
    for message in ({"t": "hello"}, sub):
        await socket.send_to(json.dumps(message))
    said = ""
    while True:
        heard: dict[str, Any] = await socket.receive_output(timeout=10)
        if heard["type"] == "websocket.close":
            return int(heard["code"]), said
        said += heard["text"]


def rows() -> dict[str, int]:
    """How many rows each table of ours holds: sessions and people come and go."""
    ours = (config for config in apps.get_app_configs() if config.label.startswith(("rollcast", "livefeed")))
    models = chain.from_iterable(config.get_models() for config in ours)
    return {model._meta.label: model._default_manager.count() for model in models}


def assert_nothing_leaked(said: str) -> None:
    assert [secret for secret in SECRETS if secret in said] == []


@per_door
def test_not_signed_in(rollout_id: int, door: Door) -> None:
    before = rows()
    code, said = knock(door, rollout_id, None, None)
    assert code == {"page": 302, "api": 401, "socket": 4501, "stream": 401}[door.kind]
    assert door.kind != "page" or said.startswith("/sign-in/?next=")
    assert code != 401 or json.loads(said) == {"error": "sign_in"}
    assert_nothing_leaked(said)
    assert rows() == before


@per_door
def test_signed_in_without_the_right(rollout_id: int, door: Door) -> None:
    before = rows()
    code, said = knock(door, rollout_id, person(right=False), None)
    assert code == (4503 if door.kind in {"socket", "stream"} else 403)
    assert_nothing_leaked(said)
    assert rows() == before


@per_door
def test_from_a_foreign_page(rollout_id: int, door: Door) -> None:
    before = rows()
    code, said = knock(door, rollout_id, person(right=True), FOREIGN)
    assert code == 403
    assert_nothing_leaked(said)
    assert rows() == before


@pytest.mark.parametrize("path", [pytest.param(path, marks=committed(path)) for path, _ in DOORS.values()])
def test_no_other_method_opens_a_door(rollout_id: int, path: str) -> None:
    before = rows()
    served = next(methods.split() for known, methods in DOORS.values() if known == path)
    for method in METHODS:
        for user in (None, User.objects.filter(username="paul").first() or person(right=False)):
            code, said = knock(Door(path, method), rollout_id, user, None)
            assert code >= 400 or (user is None and code == 302), (method, user)
            assert method not in served or code in (302, 401, 403, 4503)
            assert_nothing_leaked(said)
    assert rows() == before


@pytest.mark.parametrize("door", [door for door in ALL if door.method == "POST"], ids=lambda door: door.path)
def test_a_change_without_a_token(rollout_id: int, door: Door) -> None:
    before = rows()
    assert knock(door, rollout_id, person(right=True), None)[0] == 403
    assert rows() == before


@per_door
def test_who_may_comes_in(rollout_id: int, door: Door) -> None:
    """The table's addresses are real: reading works with the right."""
    if door.method == "GET":
        assert knock(door, rollout_id, person(right=True), None)[0] == 200
