"""History pages over HTTP."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

import livefeed
from tests.livefeed.oracle import Applied, write

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("bell"),
    pytest.mark.urls("livefeed.urls"),
]


@pytest.fixture
def bell(settings: Settings) -> None:
    """Nothing rings here: once is enough."""
    from tests.livefeed.serving import LIVEFEED

    settings.LIVEFEED = LIVEFEED
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]


@pytest.fixture
def browser(olga: User) -> Client:
    client = Client()
    client.force_login(olga)
    return client


def get(browser: Client, headers: dict[str, str] | None = None, **query: Any) -> Any:
    return browser.get("/livefeed/history", query, headers=headers)


def test_pages_add_up_to_the_log(browser: Client) -> None:
    write("f", 230, per_append=7)
    applied, after, epoch = Applied(), 0, ""
    while True:
        page = get(browser, feed="f", epoch=epoch, after=after, limit=50).json()
        assert page["prev"] == after
        if page["to"] == after:
            break
        applied.add_groups(page["g"])
        after, epoch = page["to"], page["epoch"]
    applied.assert_is_log("f")
    assert (page["feed"], page["first"], page["head"], page["closed"]) == ("f", 1, 230, False)


def test_pages_of_one_lane_add_up_to_it(browser: Client) -> None:
    write("f", 600, per_append=3, lanes=7)
    wanted = [group for group in livefeed.read("f").groups if group[0] == "t3"]
    found, after, epoch = [], 0, ""
    while True:
        page = get(browser, feed="f", epoch=epoch, after=after, limit=20, lane="t3").json()
        assert sum(len(group[5]) for group in page["g"]) <= 20
        if page["to"] == after:
            break
        found += page["g"]
        after, epoch = page["to"], page["epoch"]
    assert [item for group in found for item in group[5]] == [item for group in wanted for item in group[5]]
    assert {group[0] for group in found} == {"t3"}
    assert (after, page["prev"], page["head"]) == (600, 600, 600)
    nobody = get(browser, feed="f", lane="nobody").json()
    assert (nobody["to"], nobody["g"]) == (600, [])


def test_a_full_page_of_a_lane_has_an_etag_of_its_own(browser: Client) -> None:
    odd = '\u6cf3\u9053 "1", 2'
    for lane in ("t1", odd):
        livefeed.append("f", [livefeed.Chunk(lane, "line", [f"{lane} {n} " * 9 for n in range(100)])])
    full = get(browser, feed="f", limit=50, lane=odd)
    assert (full.json()["to"], full.json()["g"][0][4]) == (150, 101)
    again = get(browser, {"If-None-Match": full["ETag"]}, feed="f", limit=50, lane=odd)
    assert (again.status_code, again.content) == (304, b"")
    assert get(browser, {"If-None-Match": full["ETag"]}, feed="f", limit=50, lane="t1").status_code == 200
    assert get(browser, {"If-None-Match": full["ETag"]}, feed="f", limit=50).status_code == 200
    assert "ETag" not in get(browser, feed="f", limit=101, lane=odd)
    packed = get(browser, {"Accept-Encoding": "gzip"}, feed="f", limit=50, lane=odd)
    assert json.loads(gzip.decompress(packed.content)) == full.json()


def test_a_full_page_has_an_etag_and_the_last_one_has_none(browser: Client) -> None:
    write("f", 100)
    full = get(browser, feed="f", limit=50)
    assert full["Cache-Control"] == "private, no-cache"
    write("f", 10)
    again = get(browser, {"If-None-Match": full["ETag"]}, feed="f", limit=50)
    assert (again.status_code, again.content) == (304, b"")
    assert (again["ETag"], again["Cache-Control"]) == (full["ETag"], full["Cache-Control"])
    assert get(browser, {"If-None-Match": full["ETag"]}, feed="f", limit=51).status_code == 200
    last = get(browser, feed="f", epoch=full.json()["epoch"], after=100)
    assert "ETag" not in last
    assert last.json()["to"] == 110


def test_a_page_is_compressed_where_the_client_can_read_that(browser: Client) -> None:
    write("f", 1000)
    plain = get(browser, feed="f")
    packed = get(browser, {"Accept-Encoding": "gzip, br"}, feed="f")
    assert packed["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed["Vary"]
    assert json.loads(gzip.decompress(packed.content)) == plain.json()
    assert len(packed.content) < len(plain.content) / 1.5


@pytest.mark.parametrize(
    ("query", "status", "answer"),
    [
        ({"feed": "secret"}, 403, "forbidden"),
        ({"feed": "secret-and-absent"}, 403, "forbidden"),
        ({"feed": "absent"}, 404, "not_found"),
        ({}, 400, "needed"),
        ({"feed": "f", "after": "x"}, 400, "numbers"),
        ({"feed": "f", "after": "-1"}, 400, "range"),
        ({"feed": "f", "limit": "0"}, 400, "range"),
        ({"feed": "f", "limit": "many"}, 400, "numbers"),
        ({"feed": "f\0"}, 400, "range"),
        ({"feed": "f" * 300}, 400, "range"),
        ({"feed": "f", "after": "5"}, 400, "epoch"),
        ({"feed": ""}, 400, "range"),
        ({"feed": "f", "after": ""}, 400, "numbers"),
        ({"feed": "f", "after": "1.5"}, 400, "numbers"),
        ({"feed": "f", "after": " 5"}, 400, "numbers"),
        ({"feed": "f", "after": "1_0"}, 400, "numbers"),
        ({"feed": "f", "after": "\u0663"}, 400, "numbers"),
        ({"feed": "f", "after": "9" * 5000}, 400, "numbers"),
        ({"feed": "f", "limit": "-5"}, 400, "range"),
        ({"feed": "f", "lane": ""}, 400, "lane"),
        ({"feed": "f", "lane": "t" * 65}, 400, "lane"),
        ({"feed": "f", "lane": "t\n"}, 400, "lane"),
        ({"feed": "secret", "lane": "t1"}, 403, "forbidden"),
    ],
    ids=range(23),
)
def test_a_question_that_has_no_page_gets_its_reason(
    browser: Client, query: dict[str, str], status: int, answer: str
) -> None:
    write("f", 10)
    write("secret", 1)
    response = get(browser, None, **query)
    assert response.status_code == status
    assert answer in response.json()["error"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://testserver", 200), ("http://friend.test", 200), ("http://evil.test", 403), ("null", 403)],
)
def test_a_foreign_page_gets_no_history(
    browser: Client, settings: Settings, origin: str, status: int
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["http://friend.test"]
    write("f", 10)
    assert get(browser, {"Origin": origin}, feed="f").status_code == status


@pytest.mark.parametrize(
    ("epoch", "after", "reason"), [("x", 5, "epoch"), (None, 11, "ahead"), (None, 2**63, "ahead")]
)
def test_a_cursor_that_is_not_good_is_reset(
    browser: Client, epoch: str | None, after: int, reason: str
) -> None:
    write("f", 10)
    current = livefeed.head("f").epoch
    response = get(browser, feed="f", epoch=epoch or current, after=after)
    assert response.status_code == 409
    assert response.json() == {"reset": {"reason": reason, "epoch": current, "first": 1, "head": 10}}
    assert get(browser, feed="f", epoch=epoch or current, after=after, lane="t0").json() == response.json()


@pytest.mark.parametrize("lane", [{}, {"lane": "t0"}], ids=["whole", "lane"])
def test_a_cursor_before_what_is_kept_is_reset_even_for_a_page_it_knew(
    browser: Client, lane: dict[str, Any]
) -> None:
    write("f", 100)
    known = get(browser, feed="f", limit=10, **lane)
    livefeed.prune("f", before=31)
    again = get(browser, {"If-None-Match": known["ETag"]}, feed="f", limit=10, **lane)
    assert (again.status_code, again.json()["reset"]["reason"], again.json()["reset"]["first"]) == (
        409,
        "pruned",
        31,
    )
    kept = get(browser, feed="f", epoch=known.json()["epoch"], after=30, **lane)
    assert kept.json()["to"] == 100


def test_a_limit_beyond_the_largest_page_is_the_largest_page(browser: Client) -> None:
    write("f", 10)
    assert get(browser, feed="f", limit=10**30).json()["to"] == 10


def test_only_those_who_are_signed_in_may_ask_and_only_ask(browser: Client) -> None:
    write("f", 1)
    assert get(Client(), feed="f").status_code == 401
    assert browser.post("/livefeed/history", {"feed": "f"}).status_code == 405
