"""Feeds in the admin: who sees what, that nothing can be changed, and that a page goes on live."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import include, path
from pytest_django import Settings

import livefeed
from livefeed import Chunk
from livefeed.admin import FeedAdmin
from livefeed.models import Feed, Frame

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]

HOSTILE = "<script>alert('x')</script>"
office = admin.AdminSite(name="office")
office.register(Feed, FeedAdmin)


class alone:
    """A project that has an admin, and no feed on its pages."""

    urlpatterns = (path("admin/", admin.site.urls),)


urlpatterns = [
    path("admin/", admin.site.urls),
    path("office/", office.urls),
    path("ops/", include("livefeed.urls")),
]


@pytest.fixture(params=["/admin/", "/office/"])
def site(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def feed(settings: Settings) -> int:
    """A feed of 150 events; the answer is its row."""
    settings.LIVEFEED = {"MAY_READ": "tests.livefeed.broken.everybody"}
    livefeed.append("report/7", [Chunk("a", "line", [HOSTILE, *[f"line {n}" for n in range(2, 150)]])])
    livefeed.append("report/7", [Chunk("b", "progress", [{"done": 1}], lane_name=HOSTILE)])
    return Feed.objects.get().pk


def browser(*permissions: str, boss: bool = False) -> Client:
    person = User.objects.create_user("paul", is_staff=True, is_superuser=boss)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(person)
    return client


def test_whoever_may_view_feeds_sees_which_there_are(site: str, feed: int) -> None:
    client = browser("view_feed")
    text = client.get(f"{site}livefeed/feed/").content.decode()
    row = re.sub(r"<[^>]+>", " ", text.partition("<tbody>")[2].partition("</tbody>")[0]).split()
    assert row == ["report/7", "1", "150", "150"]
    assert client.get(f"{site}livefeed/feed/?q=nothing").status_code == 200
    livefeed.close("report/7")
    assert 'alt="True"' in client.get(f"{site}livefeed/feed/").content.decode()


def test_a_feed_shows_its_latest_events_and_goes_on_live(site: str, feed: int) -> None:
    text = browser("view_feed").get(f"{site}livefeed/feed/{feed}/change/").content.decode()
    assert "2: a, b (&lt;script&gt;" in text
    assert HOSTILE not in text
    shown = [int(seq) for seq in re.findall(r"<tr><td>(\d+)</td>", text)]
    assert shown == list(range(51, 151))
    assert "{&quot;done&quot;: 1}" in text
    element = re.search(r"<live-feed [^>]*>", text)
    assert element
    assert f'epoch="{livefeed.head("report/7").epoch}" after="150"' in element[0]
    assert 'path="/ops/livefeed/"' in element[0]


def test_without_a_route_it_is_a_page_like_any_other(settings: Settings, feed: int) -> None:
    settings.ROOT_URLCONF = alone
    text = browser("view_feed").get(f"/admin/livefeed/feed/{feed}/change/").content.decode()
    assert "line 149" in text
    assert "<live-feed" not in text


@pytest.mark.parametrize("rule", [None, "tests.livefeed.serving.may_read"])
def test_the_admin_is_no_way_around_the_rule(
    site: str, feed: int, settings: Settings, rule: str | None
) -> None:
    livefeed.append("secret", [Chunk("a", "line", ["the secret itself"])])
    settings.LIVEFEED = {"MAY_READ": rule}
    secret = Feed.objects.get(key="secret").pk
    text = browser("view_feed").get(f"{site}livefeed/feed/{secret}/change/").content.decode()
    assert "does not let you read the events" in text
    assert "the secret itself" not in text
    assert "<live-feed" not in text


def test_whoever_may_not_view_feeds_sees_none(site: str, feed: int) -> None:
    client = browser()
    for page in ("livefeed/feed/", f"livefeed/feed/{feed}/change/"):
        assert client.get(site + page).status_code == 403
    stranger = Client().get(f"{site}livefeed/feed/{feed}/change/")
    assert stranger.status_code == 302


def test_nobody_changes_anything(site: str, feed: int) -> None:
    client = browser(boss=True)
    before = list(Feed.objects.values())
    for page in ("add/", f"{feed}/change/", f"{feed}/delete/"):
        assert client.post(f"{site}livefeed/feed/{page}", {"key": "x"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [feed], "post": "yes"}
    client.post(f"{site}livefeed/feed/", action)
    assert list(Feed.objects.values()) == before
    assert 'name="_save' not in client.get(f"{site}livefeed/feed/{feed}/change/").content.decode()


def test_a_feed_that_is_damaged_or_gone_is_said(site: str, feed: int) -> None:
    client = browser("view_feed")
    Frame.objects.filter(last=150).delete()
    text = client.get(f"{site}livefeed/feed/{feed}/change/").content.decode()
    assert "nothing stored after 149, though the head is 150" in text
    assert client.get(f"{site}livefeed/feed/{feed + 1}/change/").status_code == 302
