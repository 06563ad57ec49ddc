"""What the livefeed tests share: doorbells, people, the server, the proxy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from pytest_django import DjangoDbBlocker, Settings

from tests.chaos import ChaosProxy
from tests.livefeed.followers import Visitor
from tests.livefeed.serving import LIVEFEED, MIDDLEWARE, Server

DOORBELLS = {
    "sqlite": "livefeed.doorbells.sqlite.SqliteDoorbell",
    "muted": "livefeed.doorbells.muted.MutedDoorbell",
}


@pytest.fixture(params=sorted(DOORBELLS))
def bell(request: pytest.FixtureRequest, settings: Settings) -> str:
    """livefeed as the sample project sets it up, once with the doorbell and once without any."""
    settings.LIVEFEED = LIVEFEED | {"DOORBELL": DOORBELLS[request.param]}
    return str(request.param)


@pytest.fixture
def project(bell: str, settings: Settings) -> None:
    """The sample project's pages in process; a reader that nobody watches goes away at once."""
    settings.LIVEFEED = settings.LIVEFEED | {"READER_LINGER_S": 0}
    settings.MIDDLEWARE = MIDDLEWARE


@pytest.fixture
def olga(transactional_db: None) -> User:
    """Somebody who may read what is not secret."""
    return User.objects.create_user("olga", password="long and secret")


def view_feed() -> Permission:
    """The permission that the tests of rights ask for."""
    return Permission.objects.get(content_type__app_label="livefeed", codename="view_feed")


@pytest.fixture
def readers(olga: User) -> Group:
    """Olga's role."""
    group = Group.objects.create(name="readers")
    group.permissions.add(view_feed())
    olga.groups.add(group)
    return group


@pytest.fixture
def browser(olga: User) -> Iterator[Client]:
    """Olga's browser, signed in."""
    client = Client()
    client.force_login(olga)
    yield client
    client.cookies.clear()


@pytest.fixture
def cookie(olga: User) -> str:
    """Olga's session cookie."""
    client = Client()
    client.force_login(olga)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


@pytest.fixture(scope="module", params=sorted(DOORBELLS))
def server(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Server]:
    """A real server process on the test's database file, once with the doorbell and once without any."""
    started = new_server(request.param)
    started.start()
    yield started
    started.stop()


def new_server(bell: str, kind: str = "uvicorn", **livefeed: Any) -> Server:
    """A server that is not started yet; `livefeed` are settings of its own."""
    livefeed["DOORBELL"] = DOORBELLS[bell]
    database = str(connection.settings_dict["NAME"])
    return Server(bell, livefeed, database, settings.SESSION_COOKIE_NAME, kind)


@pytest.fixture
def proxy(server: Server) -> Iterator[ChaosProxy]:
    """A proxy in front of the server."""
    with ChaosProxy(("127.0.0.1", server.port)) as started:
        yield started


@pytest.fixture(params=["reference", "raw"])
def visitor(request: pytest.FixtureRequest, cookie: str) -> Visitor:
    """Olga with her browser: once the reference client, once the one written from the protocol's page."""
    return Visitor(cookie, request.param)


@pytest.fixture
def feed(request: pytest.FixtureRequest) -> str:
    """A key of its own for each test: the server outlives them."""
    return f"{request.node.nodeid.rsplit('::', 1)[-1]}"[:200]
