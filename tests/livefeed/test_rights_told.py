"""A change of rights is told when it is committed, and to those only whom it concerns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import transaction
from django.test import Client
from django.utils import timezone

import livefeed
from livefeed.models import Instance
from livefeed.rights import TOLD, told_since, who_is
from tests.livefeed.conftest import view_feed

pytestmark = pytest.mark.django_db(transaction=True)


def told(change: Callable[[], Any]) -> tuple[int, frozenset[str] | None]:
    """By how much a change moves the counter, and for whom."""
    livefeed.instance_epoch()
    before, _ = told_since(None)
    change()
    after, who = told_since(before)
    return after - before, who


def test_a_change_is_told_for_whom_it_concerns(olga: User, readers: Group, browser: Client) -> None:
    hers = frozenset({who_is(olga)})
    assert told(olga.save) == (1, hers)
    assert told(lambda: olga.user_permissions.add(view_feed())) == (1, hers)
    assert told(lambda: readers.user_set.remove(olga)) == (1, hers)
    assert told(lambda: browser.session.delete()) == (1, hers)
    assert told(lambda: readers.permissions.clear()) == (1, None)
    assert told(livefeed.rights_changed) == (1, None)


def test_what_concerns_no_reader_is_not_told(olga: User) -> None:
    assert told(lambda: Client().force_login(olga)) == (0, frozenset())
    assert told(lambda: User.objects.create_user("new")) == (0, frozenset())
    SessionStore().save()
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    assert told(Session.objects.all().delete) == (0, frozenset())


def test_what_is_rolled_back_is_not_told(olga: User) -> None:
    def roll_back() -> None:
        with transaction.atomic():
            olga.save()
            transaction.set_rollback(True)

    assert told(roll_back) == (0, frozenset())


def test_whoever_has_missed_too_much_asks_for_everybody(olga: User) -> None:
    livefeed.instance_epoch()
    for _ in range(TOLD):
        olga.save()
    assert told_since(0) == (TOLD, frozenset({who_is(olga)}))
    olga.save()
    assert told_since(0) == (TOLD + 1, None)
    assert told_since(1) == (TOLD + 1, frozenset({who_is(olga)}))
    Instance.objects.update(rights=3)  # a backup was restored
    assert told_since(TOLD + 1) == (3, None)


def test_without_any_feed_there_is_nothing_to_tell(olga: User) -> None:
    olga.save()
    assert told_since(None) == (0, None)
