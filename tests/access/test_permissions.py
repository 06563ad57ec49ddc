"""Shut by default: who may operate, who may read a feed, and where everybody else is sent."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings

from rollcast.access.permissions import may_operate, may_read_feed, operator_required

pytestmark = pytest.mark.django_db


def user(name: str, *, operate: bool = False, **fields: Any) -> User:
    person: User = get_user_model().objects.create_user(name, password="x", **fields)
    if operate:
        permission = Permission.objects.get(codename="operate", content_type__app_label="rollcast_rollouts")
        person.user_permissions.add(permission)
    return person


CAST = [
    ("an operator", {"is_staff": True, "operate": True}, True),
    ("a superuser", {"is_staff": True, "is_superuser": True}, True),
    ("staff without the permission", {"is_staff": True}, False),
    ("no staff, with the permission", {"operate": True}, False),
    ("a superuser who is no staff", {"is_superuser": True}, False),
    ("an operator who left", {"is_staff": True, "operate": True, "is_active": False}, False),
    ("a superuser who left", {"is_staff": True, "is_superuser": True, "is_active": False}, False),
]


@pytest.mark.parametrize(("who", "fields", "may"), CAST)
def test_only_active_staff_with_the_permission_may_operate(
    who: str, fields: dict[str, Any], may: bool
) -> None:
    person = user("olga", **fields)
    assert may_operate(person) is may, who
    assert may_read_feed(person, "rollout/42") is may, who


def test_nobody_who_is_not_signed_in_may_anything() -> None:
    assert not may_operate(AnonymousUser())
    assert not may_read_feed(AnonymousUser(), "rollout/42")


@pytest.mark.parametrize("key", ["report/7", "rollouts/7", "", "xrollout/7"])
def test_an_operator_reads_the_feeds_of_rollouts_only(key: str) -> None:
    assert not may_read_feed(user("olga", is_staff=True, operate=True), key)


def everybody(user: User | AnonymousUser) -> bool:
    return True


def test_a_project_may_bring_its_own_rule() -> None:
    person = user("paul")
    assert not may_operate(person)
    with override_settings(ROLLCAST={"MAY_OPERATE": "tests.access.test_permissions.everybody"}):
        assert may_operate(person)


@operator_required
def page(request: HttpRequest, name: str) -> HttpResponse:
    """A page."""
    return HttpResponse(f"hello {name}")


def request_of(person: User | AnonymousUser) -> HttpRequest:
    request = RequestFactory().get("/rollouts/7/?host=eu 01")
    request.user = person
    return request


def test_a_page_sends_who_is_not_signed_in_to_the_sign_in_page_and_back() -> None:
    answer = page(request_of(AnonymousUser()), name="x")
    assert answer.status_code == 302
    assert answer["Location"] == "/sign-in/?next=/rollouts/7/%3Fhost%3Deu%252001"


def test_a_page_refuses_who_may_not_operate() -> None:
    with pytest.raises(PermissionDenied):
        page(request_of(user("paul", is_staff=True)), name="x")


def test_a_page_opens_for_an_operator() -> None:
    answer = page(request_of(user("olga", is_staff=True, operate=True)), name="olga")
    assert isinstance(answer, HttpResponse)
    assert answer.content == b"hello olga"
    assert page.__name__ == "page"
