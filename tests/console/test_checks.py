"""What a project that mounts Rollcast has forgotten is named, with its cure, before anybody opens a page."""

from __future__ import annotations

import copy

import pytest
from django.conf import settings as shipped
from django.core.checks import run_checks
from django.test import modify_settings, override_settings
from pytest_django.fixtures import Settings

urlpatterns: list[object] = []


def found() -> list[tuple[str | None, str]]:
    """(id, message and hint) of every complaint of ours."""
    complaints = run_checks()
    return [(one.id, f"{one.msg} {one.hint}") for one in complaints if str(one.id).startswith("rollcast.")]


def test_the_shipped_project_is_sound() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("change", "number", "said"),
    [
        ({"MAX_PARALEL": 5}, 1, "Did you mean MAX_PARALLEL?"),
        ({"ZEBRA": 5}, 1, "docs/settings.md lists all settings."),
        ({"MAY_OPERATE": "nowhere.rule"}, 2, "ROLLCAST['MAY_OPERATE'] cannot be imported"),
        ({"BASE_TEMPLATE": "nowhere.html"}, 3, "There is no template 'nowhere.html'"),
    ],
)
def test_a_setting_that_leads_nowhere(
    settings: Settings, change: dict[str, object], number: int, said: str
) -> None:
    settings.ROLLCAST = {**settings.ROLLCAST, **change}
    [(code, text)] = found()
    assert code == f"rollcast.E00{number}"
    assert said in text


@pytest.mark.parametrize("app", ["django_htmx", "lucide", "rollcast.worker", "django.contrib.messages"])
def test_an_app_that_is_missing(app: str) -> None:
    with modify_settings(INSTALLED_APPS={"remove": [app]}):
        complaints = found()
    assert ("rollcast.E004", True) in [
        (code, f"Add '{app}' to INSTALLED_APPS." in text) for code, text in complaints
    ]


def test_addresses_that_are_not_included() -> None:
    with override_settings(ROOT_URLCONF=__name__):
        texts = [text for code, text in found() if code == "rollcast.E005"]
    assert [text.split(" ")[0] for text in texts] == ["rollcast.console.urls", "livefeed.urls"]
    assert 'include("livefeed.urls")' in texts[1]


def test_a_context_processor_that_is_missing(settings: Settings) -> None:
    templates = copy.deepcopy(shipped.TEMPLATES)
    processors: list[str] = templates[0]["OPTIONS"]["context_processors"]
    processors.remove("django.template.context_processors.request")
    settings.TEMPLATES = templates
    [(code, text)] = found()
    assert code == "rollcast.E006"
    assert "django.template.context_processors.request" in text
