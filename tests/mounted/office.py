"""The back office as processes: set up, served, with a worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PASSWORD = "long and secret"
PEOPLE = f"""
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

people = get_user_model().objects
olga = people.create_user("olga@office.test", {PASSWORD!r}, is_staff=True)
olga.user_permissions.add(
    Permission.objects.get(content_type__app_label="rollcast_rollouts", codename="operate")
)
people.create_user("paul@office.test", {PASSWORD!r}, is_staff=True)
people.create_user("boss@office.test", {PASSWORD!r}, is_staff=True, is_superuser=True)
"""
RECIPE = """\
name: greet
title: Greet the players
parameters:
  word: {type: string, default: hello}
steps:
  - name: greet
    run: for i in $(seq 100); do echo "$WORD $i 你好"; done
  - name: breathe
    wait: 1s
  - name: leave
    run: echo gone
"""
END_S = 20


@dataclass
class Office:
    """A back office in a folder of its own."""

    home: Path

    def set_up(self) -> None:
        """Its tables, its people, and a recipe."""
        self.manage("migrate", "--verbosity", "0")
        self.manage("shell", "--verbosity", "0", "--command", PEOPLE)
        recipes = self.home / "rollcast" / "recipes"
        recipes.mkdir(parents=True)
        (recipes / "greet.yml").write_text(RECIPE, "utf-8")

    def manage(self, *words: str) -> str:
        """`manage.py …`; what it printed."""
        ran = subprocess.run(
            self._command("manage", *words),
            cwd=HERE,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its address, while the web process and one worker run."""
        web = self._start("serve", stdout=subprocess.PIPE)
        worker = self._start("manage", "rollcast_worker")
        assert web.stdout is not None
        try:
            yield f"http://127.0.0.1:{json.loads(web.stdout.readline())['port']}"
            assert (web.poll(), worker.poll()) == (None, None)
        finally:
            for process in (worker, web):
                process.send_signal(signal.SIGTERM)
            for process in (worker, web):
                try:
                    process.wait(END_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            web.stdout.close()

    @property
    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ROLLCAST", "DJANGO"))}
        return kept | {"BACKOFFICE_HOME": str(self.home), "PYTHONDONTWRITEBYTECODE": "1"}

    def _start(self, *words: str, stdout: int | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command(*words), cwd=HERE, env=self._environment, stdout=stdout, text=True
        )

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-W", "error", "barred.py", *words]
