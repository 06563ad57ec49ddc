"""A fleet of local hosts, recipes in a folder, and workers that really work on them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from rollcast.fleet.models import Host
from rollcast.rollouts import actions, queries
from rollcast.rollouts.actions import StartRequest
from rollcast.worker.run import WorkerProcess, WorkerThread
from tests.waiting import eventually

ENDS = {"succeeded", "failed", "cancelled"}


class Bench:
    """Everything that a test of the worker needs: where things are, what to start, what to wait for."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "hosts"
        self.recipes = folder / "recipes"
        self.files = folder / "files"
        for place in (self.home, self.recipes, self.files):
            place.mkdir()
        self._workers: list[WorkerThread] = []

    def hosts(self, *names: str) -> None:
        """Hosts on this machine."""
        for name in names:
            Host.objects.create(name=name, address="local", connector="local", updated_at=timezone.now())

    def recipe(self, steps: str, name: str = "update") -> str:
        """A recipe file of these steps."""
        text = f"name: {name}\ntitle: Update\nsteps:\n{steps}"
        (self.recipes / f"{name}.yml").write_text(text)
        return name

    def start(self, **asked: Any) -> int:
        """Start a rollout of the recipe `update` on all hosts."""
        asked.setdefault("recipe", "update")
        asked.setdefault("selector", "*")
        return actions.start_rollout(StartRequest(**asked), "user:olga")

    def worker(self) -> WorkerThread:
        """A worker in a thread of this process."""
        worker = WorkerProcess("test").run_in_thread()
        self._workers.append(worker)
        return worker

    def stop_workers(self) -> None:
        """End all workers in order."""
        for worker in self._workers:
            assert worker.stop(timeout_s=20)

    def page(self, rollout_id: int) -> dict[str, Any]:
        """The rollout as its page has it."""
        return queries.rollout_page(rollout_id)

    def states(self, rollout_id: int) -> dict[str, str]:
        """Host name → target state."""
        return {target["name"]: target["state"] for target in self.page(rollout_id)["targets"]}

    def until(self, rollout_id: int, what: Callable[[dict[str, Any]], Any], deadline_s: float = 20) -> Any:
        """Wait until the page of the rollout fulfils `what`."""
        return eventually(
            lambda: what(self.page(rollout_id)), deadline_s, what=f"last page: {self.page(rollout_id)}"
        )

    def until_ended(self, rollout_id: int, deadline_s: float = 30) -> dict[str, Any]:
        """Wait for the rollout's end; its page."""
        eventually(lambda: self.page(rollout_id)["rollout"]["state"] in ENDS, deadline_s)
        return self.page(rollout_id)


@pytest.fixture
def bench(
    transactional_db: None, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    """A bench with folders of its own; its workers end with the test, and so must their threads."""
    made = Bench(tmp_path)
    monkeypatch.setenv("HOME", str(made.home))
    settings.ROLLCAST = {
        **settings.ROLLCAST,
        "RECIPES": str(made.recipes),
        "FILES": str(made.files),
        "CANCEL_GRACE_S": 0.3,
        "CONNECT_DEADLINE_S": 1.0,
    }
    yield made
    made.stop_workers()
    left = [thread.name for thread in threading.enumerate() if "database" in thread.name]
    assert not left, f"threads left behind: {left}"
