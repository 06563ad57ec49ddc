"""Rights that are lost are lost at once: what is appended after the loss is not sent, and nobody resumes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

import livefeed
from livefeed import reader
from tests.livefeed.conftest import view_feed
from tests.livefeed.oracle import write
from tests.livefeed.peer import Peer, assert_is_log, events, off_loop
from tests.livefeed.raw_client import Refused, Wire
from tests.livefeed.serving import ORIGIN, Server
from tests.waiting import aeventually

pytestmark = pytest.mark.django_db(transaction=True)

asked: Counter[str] = Counter()


def may_read(user: User, feed: str) -> bool:
    """Whoever may view feeds, of themselves or by their group."""
    asked[user.username] += 1
    return user.has_perm("livefeed.view_feed")


@pytest.fixture
def rules(settings: Settings, bell: str) -> None:
    """Only what is told can cut in the time of a test."""
    settings.LIVEFEED = settings.LIVEFEED | {
        "MAY_READ": "tests.livefeed.test_rights.may_read",
        "RECHECK_S": 3600,
    }


@pytest.fixture
def scope(browser: Client) -> dict[str, Any]:
    """What the middleware leaves in the scope of a socket that this browser opens."""
    return {"session": SessionStore(browser.cookies[django_settings.SESSION_COOKIE_NAME].value)}


def new_password(user: User, browser: Client) -> None:
    user.set_password("another one")
    user.save()


def deactivate(user: User, browser: Client) -> None:
    user.is_active = False
    user.save(update_fields=["is_active"])


SIGNED_OUT: dict[str, Callable[[User, Client], Any]] = {
    "signed out in another tab": lambda user, browser: browser.logout(),
    "a new password": new_password,
    "deactivated": deactivate,
    "deleted": lambda user, browser: user.delete(),
    "session deleted": lambda user, browser: browser.session.delete(),
    "all sessions deleted": lambda user, browser: Session.objects.all().delete(),
}
FORBIDDEN: dict[str, Callable[[User, Client], Any]] = {
    "role removed": lambda user, browser: user.groups.clear(),
    "thrown out of the group": lambda user, browser: Group.objects.get().user_set.remove(user),
    "the group emptied": lambda user, browser: Group.objects.get().user_set.clear(),
    "the group deleted": lambda user, browser: Group.objects.all().delete(),
    "the role's permission removed": lambda user, browser: Group.objects.get().permissions.clear(),
    "permission deleted": lambda user, browser: view_feed().delete(),
}
UNTOLD: dict[str, tuple[Callable[[], Any], int]] = {
    "deactivated by an update of rows": (lambda: User.objects.update(is_active=False), 4501),
    "session expired by the clock": (
        lambda: Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1)),
        4501,
    ),
    "role removed by hand": (lambda: User.groups.through.objects.all().delete(), 4503),
}


async def cut(olga: User, scope: dict[str, Any], how: Callable[[], Any], code: int) -> list[dict[str, Any]]:
    """A reader who is caught up loses her rights; what she hears until she is closed out."""
    await off_loop(write, "f", 5)
    epoch = (await off_loop(livefeed.head, "f")).epoch
    heard: list[dict[str, Any]] = []

    def cut_and_write() -> None:
        how()
        write("f", 5)

    async with Peer(olga, **scope) as peer:
        await peer.sub("f")
        await peer.hear_until("caught_up")
        await off_loop(cut_and_write)
        assert await peer.close_code(heard) == code
    async with Peer(olga, **scope) as peer:
        await peer.sub("f", 5, epoch)
        resumed: list[dict[str, Any]] = []
        assert await peer.close_code(resumed) == code
        assert events(resumed).events == []
    return heard


@pytest.mark.usefixtures("rules", "readers")
@pytest.mark.parametrize("how", SIGNED_OUT)
async def test_whoever_is_signed_out_hears_nothing_more(
    olga: User, browser: Client, scope: dict[str, Any], how: str
) -> None:
    heard = await cut(olga, scope, partial(SIGNED_OUT[how], olga, browser), 4501)
    assert events(heard).events == []


@pytest.mark.usefixtures("rules", "readers")
@pytest.mark.parametrize("how", FORBIDDEN)
async def test_whoever_loses_a_role_or_permission_hears_nothing_more(
    olga: User, browser: Client, scope: dict[str, Any], how: str
) -> None:
    heard = await cut(olga, scope, partial(FORBIDDEN[how], olga, browser), 4503)
    assert events(heard).events == []
    assert [message["code"] for message in heard if message["t"] == "err"] == ["forbidden"]


@pytest.mark.usefixtures("rules", "readers")
@pytest.mark.parametrize("how", UNTOLD)
async def test_what_nobody_tells_is_found_by_the_recheck(
    olga: User, scope: dict[str, Any], settings: Settings, how: str
) -> None:
    settings.LIVEFEED = settings.LIVEFEED | {"RECHECK_S": 0.1}
    await cut(olga, scope, *UNTOLD[how])


def degrade(user: User, browser: Client) -> None:
    user.is_superuser = False
    user.save()


OF_ANOTHER_PROCESS: dict[str, tuple[Callable[[User, Client], Any], int]] = {
    "session deleted": (SIGNED_OUT["all sessions deleted"], 4501),
    "deactivated": (deactivate, 4501),
    "no longer a superuser": (degrade, 4503),
}


@pytest.mark.parametrize("how", OF_ANOTHER_PROCESS)
def test_another_process_cuts_too(server: Server, olga: User, cookie: str, how: str) -> None:
    """Changed here, noticed there; only a superuser reads this feed."""
    change, code = OF_ANOTHER_PROCESS[how]
    olga.is_superuser = True
    olga.save()
    feed = f"secret {how} {server.bell}"
    write(feed, 5)
    with Wire(server.port, {"Cookie": cookie, "Origin": ORIGIN}) as wire:
        wire.say(t="hello", client="test")
        wire.say(t="sub", id=1, feed=feed, epoch=None, after=0)
        while wire.hear()["t"] != "caught_up":
            pass
        change(olga, Client())
        write(feed, 5)
        heard: list[str] = []
        assert closed_with(wire, heard) == code
    assert "ev" not in heard


def closed_with(wire: Wire, heard: list[str]) -> int | str:
    """Hear on until the server closes the socket for good."""
    try:
        while True:
            heard.append(wire.hear()["t"])
    except Refused as refused:
        return refused.code


@pytest.mark.usefixtures("rules", "readers")
async def test_a_change_makes_only_those_ask_whom_it_concerns(olga: User, scope: dict[str, Any]) -> None:
    def paul_comes() -> User:
        paul = User.objects.create_user("paul")
        paul.user_permissions.add(view_feed())
        return paul

    paul = await off_loop(paul_comes)
    await off_loop(write, "f", 5)
    async with Peer(olga, **scope) as hers:
        await hers.sub("f")
        await hers.hear_until("caught_up")
        async with Peer(paul) as his:
            await his.sub("f")
            heard = await his.hear_until("caught_up")
            before = asked["paul"]
            await off_loop(olga.groups.clear)
            assert await hers.close_code() == 4503
            await off_loop(write, "f", 5)
            heard += await his.hear_until("ev")
            assert asked["paul"] == before
            await off_loop(livefeed.rights_changed)
            await off_loop(livefeed.close, "f")
            heard += await his.hear_until("end")
            assert asked["paul"] > before
    await assert_is_log(events(heard), "f")


class SlowRule:
    """A rule that thinks about Olga until it is told the answer, once."""

    def __init__(self, olga: User) -> None:
        self.asked, self._answered = threading.Event(), threading.Event()
        self._olga, self._answer = olga, True

    def __call__(self, user: User, feed: str) -> bool:
        if user != self._olga:
            return True
        self.asked.set()
        assert self._answered.wait(10)
        return self._answer

    def answer(self, answer: bool) -> None:
        self._answer = answer
        self._answered.set()


@pytest.fixture
def slow_rule(olga: User) -> SlowRule:
    return SlowRule(olga)


@pytest.mark.usefixtures("rules", "readers")
async def test_no_event_overtakes_the_question(
    olga: User, scope: dict[str, Any], slow_rule: SlowRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    boss = await off_loop(User.objects.create_superuser, "boss")
    await off_loop(write, "f", 5)
    async with Peer(olga, **scope) as hers, Peer(boss) as his:
        await hers.sub("f")
        await hers.hear_until("caught_up")
        await his.sub("f")
        await his.hear_until("caught_up")
        monkeypatch.setattr("tests.livefeed.test_rights.may_read", slow_rule)
        await off_loop(livefeed.rights_changed, olga)
        await off_loop(write, "f", 5)
        assert (await his.hear_until("ev"))[-1]["to"] == 10  # the lines are there for others
        slow_rule.answer(False)
        heard: list[dict[str, Any]] = []
        assert await hers.close_code(heard) == 4503
    assert events(heard).events == []


@pytest.mark.usefixtures("rules", "readers")
async def test_a_loss_between_the_question_and_the_first_look_counts(
    olga: User, scope: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    look, reached, lifted = reader._look_at, threading.Event(), threading.Event()

    def held(*args: Any) -> Any:
        reached.set()
        assert lifted.wait(10)
        return look(*args)

    await off_loop(write, "f", 5)
    monkeypatch.setattr(reader, "_look_at", held)
    async with Peer(olga, **scope) as peer:
        await peer.sub("f")
        await aeventually(reached.is_set)
        await off_loop(olga.groups.clear)
        lifted.set()
        heard: list[dict[str, Any]] = []
        assert await peer.close_code(heard) == 4503
    assert events(heard).events == []


@pytest.mark.usefixtures("rules", "readers")
async def test_whoever_is_deleted_while_the_rights_are_asked_is_signed_out_not_forbidden(
    olga: User, scope: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = may_read

    def deletes_first(user: User, feed: str) -> bool:
        User.objects.filter(pk=user.pk).delete()
        return rule(user, feed)

    await off_loop(write, "f", 5)
    async with Peer(olga, **scope) as peer:
        await peer.sub("f")
        await peer.hear_until("caught_up")
        monkeypatch.setattr("tests.livefeed.test_rights.may_read", deletes_first)
        await off_loop(livefeed.rights_changed, olga)
        assert await peer.close_code() == 4501


@pytest.mark.usefixtures("rules", "readers")
async def test_whoever_keeps_the_right_misses_nothing(olga: User, scope: dict[str, Any]) -> None:
    def rename_and_write() -> None:
        for _ in range(20):
            olga.save()
            write("f", 3)
        livefeed.close("f")

    await off_loop(write, "f", 5)
    async with Peer(olga, **scope) as peer:
        await peer.sub("f")
        heard = await peer.hear_until("caught_up")
        await off_loop(rename_and_write)
        heard += await peer.hear_until("end")
    await assert_is_log(events(heard), "f")


@pytest.mark.usefixtures("rules", "readers")
async def test_what_is_told_too_early_is_asked_once_more(
    olga: User, scope: dict[str, Any], slow_rule: SlowRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Django tells a sign-out before it ends the session; kept elsewhere, that end is not told by itself."""
    await off_loop(write, "f", 5)
    async with Peer(olga, **scope) as peer:
        await peer.sub("f")
        await peer.hear_until("caught_up")
        monkeypatch.setattr("tests.livefeed.test_rights.may_read", slow_rule)
        await off_loop(livefeed.rights_changed, olga)
        await aeventually(slow_rule.asked.is_set)
        await off_loop(partial(User.objects.update, is_active=False))
        slow_rule.answer(True)
        assert await peer.close_code() == 4501
