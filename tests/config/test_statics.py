"""Static files as `rollcast up` collects them: a page's modules are those of one build, or none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

OURS = ("console", "livefeed")
HASHED = re.compile(r"\.[0-9a-f]{12}\.js$")
PATH = r"""["'](\.\.?/[^"']+)["']"""
IMPORTED = re.compile(rf"""^\s*(?:import|export)\b[^"';]*{PATH}|\bimport\({PATH}\)""", re.MULTILINE)


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    storage = {"BACKEND": "rollcast.config.statics.ModuleStaticFilesStorage"}
    with override_settings(STATIC_ROOT=folder, STORAGES=settings.STORAGES | {"staticfiles": storage}):
        call_command("collectstatic", verbosity=0, interactive=False, ignore_patterns=["ext"])
    return folder


def imports_of(script: Path) -> list[str]:
    """The relative paths that a script imports."""
    return [one or other for one, other in IMPORTED.findall(script.read_text("utf-8"))]


def test_every_module_imports_others_by_their_hash(collected: Path) -> None:
    found = 0
    for script in (path for folder in OURS for path in (collected / folder).rglob("*.js")):
        if HASHED.search(script.name):
            for path in imports_of(script):
                assert HASHED.search(path), (script, path)
                assert (script.parent / path).is_file(), (script, path)
                found += 1
    assert found > 50


def test_there_are_no_modules_elsewhere(collected: Path) -> None:
    """Those of another folder would be served under names that browsers keep for ever."""
    for script in collected.rglob("*.js"):
        if script.relative_to(collected).parts[0] not in OURS:
            assert imports_of(script) == [], script
