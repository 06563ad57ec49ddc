"""The same few calls wherever a project's work may be: views, threads, coroutines, processes."""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

import livefeed
from livefeed import Chunk
from tests.livefeed.conftest import DOORBELLS
from tests.livefeed.serving import environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]

LINES = ["one", "two", "three"]
PROCESS = """
import django
from django.conf import settings
from tests.livefeed.serving import settings as sample

settings.configure(**sample())
django.setup()
from tests.livefeed.test_api import work
work("f")
"""


def work(feed: str) -> None:
    """A task as a project has it. Begun again, it goes on where it was."""
    for done in range(livefeed.mark(feed, "worker"), len(LINES)):
        livefeed.append(feed, [Chunk("a", "line", [LINES[done]], "worker", before=done, after=done + 1)])
    livefeed.close(feed)


async def awork(feed: str) -> None:
    """The same as a coroutine."""
    for done in range(await livefeed.amark(feed, "worker"), len(LINES)):
        await livefeed.aappend(
            feed, [Chunk("a", "line", [LINES[done]], "worker", before=done, after=done + 1)]
        )
    await livefeed.aclose(feed)


def view(request: HttpRequest) -> HttpResponse:
    work("f")
    return HttpResponse(str(livefeed.head("f").head))


async def aview(request: HttpRequest) -> HttpResponse:
    await awork("f")
    page = await livefeed.aread("f", lane="a")
    return HttpResponse(str(page.to if page.to == (await livefeed.ahead("f")).head else 0))


urlpatterns = [path("view", view), path("aview", aview)]


async def by_a_view_under_asgi() -> None:
    assert (await AsyncClient().get("/view")).content == b"3"


async def by_an_asynchronous_view() -> None:
    assert (await AsyncClient().get("/aview")).content == b"3"


async def by_an_asynchronous_view_under_wsgi() -> None:
    def ask() -> bytes:
        try:
            return Client().get("/aview").content
        finally:
            connection.close()

    answers: list[bytes] = []
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join()
    assert answers == [b"3"]


async def by_a_thread() -> None:
    def run() -> None:
        try:
            work("f")
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


async def by_a_process() -> None:
    """A Celery task, a management command: another process with `django.setup()`."""
    file, bell = str(connection.settings_dict["NAME"]), {"DOORBELL": DOORBELLS["sqlite"]}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROCESS],
        env=environment(file, bell),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    "place",
    [
        by_a_view_under_asgi,
        by_an_asynchronous_view,
        by_an_asynchronous_view_under_wsgi,
        by_a_thread,
        by_a_process,
        lambda: awork("f"),
    ],
)
@pytest.mark.parametrize("begun", [False, True])
async def test_work_writes_from_wherever_it_is(place: Callable[[], object], begun: bool) -> None:
    if begun:
        await livefeed.aappend("f", [Chunk("a", "line", ["one"], "worker", before=0, after=1)])
    done = place()
    assert inspect.isawaitable(done)
    await done
    page = await livefeed.aread("f")
    assert [line for group in page.groups for line in group[5]] == LINES
    assert page.closed


def test_an_append_shares_the_fate_of_its_transaction() -> None:
    class Broken(Exception):
        """Something else in the transaction went wrong."""

    livefeed.append("f", [])
    with suppress(Broken), transaction.atomic():
        livefeed.append("f", [Chunk("a", "line", LINES)])
        raise Broken
    assert livefeed.head("f").head == 0


async def test_a_closed_feed_is_taken_up_again() -> None:
    await awork("f")
    await livefeed.areopen("f")
    assert not (await livefeed.ahead("f")).closed
    await livefeed.aclose("f")
    await livefeed.aclose("f")
    with pytest.raises(livefeed.FeedNotFound):
        await livefeed.aclose("no such feed")


@pytest.mark.parametrize("name", livefeed.__all__)
def test_every_public_name_says_what_it_is(name: str) -> None:
    found = getattr(livefeed, name)
    assert inspect.getdoc(found)
    if inspect.isfunction(found):
        assert None not in inspect.get_annotations(found).values()
        assert set(inspect.get_annotations(found)) == {*inspect.signature(found).parameters, "return"}


def test_what_is_not_public_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'appendd'"):
        livefeed.appendd  # noqa: B018
