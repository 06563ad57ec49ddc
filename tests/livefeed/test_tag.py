"""`{% livefeed %}`: what it writes into a page, and what it says where something is missing."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.http import HttpRequest
from django.template import Context, Template
from django.test import AsyncRequestFactory, RequestFactory
from django.urls import clear_url_caches
from django.utils import translation
from pytest_django import Settings
from typing_extensions import override

import livefeed
from livefeed import Chunk
from livefeed.words import WORDS
from tests.livefeed import broken

HOSTILE = "\"><script>alert('x')</script>"


class Written(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: dict[str, dict[str, str | None]] = {}
        self.said = ""
        self.feed(text)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = dict(attrs)

    @override
    def handle_data(self, data: str) -> None:
        self.said += data


def render(written: str = '{% livefeed "report/7" %}', **context: Any) -> Written:
    return Written(Template("{% load livefeed %}" + written).render(Context(context)))


@pytest.fixture(autouse=True)
def good(settings: Settings) -> None:
    """A project without a mistake."""
    settings.LIVEFEED = {"MAY_READ": "tests.livefeed.broken.everybody"}


def test_it_needs_no_script_in_the_page() -> None:
    tags = render().tags
    assert tags["script"] == {"type": "module", "src": "/static/livefeed/element.js"}
    assert tags["link"] == {"rel": "stylesheet", "href": "/static/livefeed/element.css"}
    words = json.loads(tags["live-feed"].pop("words") or "")
    assert words == {word: str(text) for word, text in WORDS.items()}
    assert tags["live-feed"] == {
        "feed": "report/7",
        "path": "/livefeed/",
        "history": "/livefeed/history",
        "lines": "1000",
    }
    nonces = render('{% livefeed "report/7" nonce="n0" %}').tags
    assert (nonces["script"]["nonce"], nonces["link"]["nonce"]) == ("n0", "n0")


def test_it_finds_the_feed_under_any_mount(settings: Settings) -> None:
    settings.ROOT_URLCONF = broken.under_ops
    clear_url_caches()
    element = render().tags["live-feed"]
    assert (element["path"], element["history"]) == ("/ops/livefeed/", "/ops/livefeed/history")


def test_what_it_is_given_goes_in_as_text() -> None:
    tags = render("{% livefeed odd lane=odd label=odd epoch=odd after=3 %}", odd=HOSTILE).tags
    assert set(tags) == {"link", "script", "live-feed", "noscript"}
    assert tags["script"]["src"] == "/static/livefeed/element.js"
    assert [tags["live-feed"][name] for name in ("feed", "lane", "label", "epoch")] == [HOSTILE] * 4


def test_options(settings: Settings) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    element = render('{% livefeed "f" lines=2500 every=True %}').tags["live-feed"]
    assert element["lines"] == "2500"
    assert "every" in element


@pytest.mark.django_db
def test_it_begins_behind_what_the_page_has_read() -> None:
    livefeed.append("f", [Chunk("report", "line", ["one", "two", "three"])])
    state, page = livefeed.head("f"), livefeed.read("f", limit=2)
    for cursor, seq in ((state, "3"), (page, "2")):
        element = render('{% livefeed "f" after=cursor %}', cursor=cursor).tags["live-feed"]
        assert (element["epoch"], element["after"]) == (state.epoch, seq)
    with pytest.raises(ValueError, match="A cursor needs its epoch"):
        render('{% livefeed "f" after=2 %}')


def test_without_addresses_it_says_so(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.livefeed.broken"
    clear_url_caches()
    with pytest.raises(ImproperlyConfigured, match=r'Add path\("", include\("livefeed.urls"\)\)'):
        render()


@pytest.mark.parametrize(
    ("debug", "application", "request_", "said"),
    [
        (True, "whole", AsyncRequestFactory().get("/"), None),
        (True, "pages", AsyncRequestFactory().get("/"), "is Django's own: it serves pages and no socket."),
        (True, "whole", RequestFactory().get("/"), "This page came through WSGI"),
        (False, "pages", RequestFactory().get("/"), None),
    ],
)
def test_with_debug_it_says_what_would_keep_it_silent(
    settings: Settings, debug: bool, application: str, request_: HttpRequest, said: str | None
) -> None:
    settings.DEBUG = debug
    settings.ASGI_APPLICATION = f"tests.livefeed.broken.{application}"
    written = render(request=request_)
    assert "live-feed" in written.tags
    assert ("p" in written.tags) == (said is not None)
    assert (said or "") in written.said


def test_with_debug_it_says_how_sqlite_should_begin(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = True
    settings.ASGI_APPLICATION = "tests.livefeed.broken.whole"
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {})
    assert '"transaction_mode": "IMMEDIATE"' in render(request=AsyncRequestFactory().get("/")).said


def test_its_words_are_chinese_for_whoever_reads_chinese() -> None:
    with translation.override("zh-hans"):
        words = json.loads(render().tags["live-feed"]["words"] or "")
    assert words["live"] == "实时"
    assert [word for word, text in WORDS.items() if ("{n}" in str(text)) != ("{n}" in words[word])] == []
