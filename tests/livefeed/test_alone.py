"""livefeed works in a project without Rollcast: all of it is imported there, and a feed is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.livefeed.conftest import DOORBELLS
from tests.livefeed.serving import ROOT, environment

PROGRAM = """
import sys

sys.modules["rollcast"] = None  # from now on importing it fails

import importlib, json, pkgutil
import django
from django.conf import settings
from django.core.management import call_command
from tests.livefeed.serving import application, settings as sample

settings.configure(**sample())
django.setup()
import livefeed

names = [module.name for module in pkgutil.walk_packages(livefeed.__path__, "livefeed.")]
for name in names:
    importlib.import_module(name)
application()
call_command("migrate", verbosity=0)
call_command("check", fail_level="WARNING", deploy=False)
call_command("makemigrations", check=True, dry_run=True, verbosity=0)
livefeed.append("f", [livefeed.Chunk("t", "line", ["alone"])])
print(json.dumps([livefeed.read("f").groups[0][5], "livefeed.consumers" in names, len(names) > 20]))
"""


def test_every_module_is_imported_and_a_feed_used_without_rollcast(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=ROOT,
        env=environment(str(tmp_path / "alone.sqlite3"), {"DOORBELL": DOORBELLS["sqlite"]}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == '[["alone"], true, true]'
