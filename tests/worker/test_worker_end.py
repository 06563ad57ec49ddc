"""A worker that cannot go on: nobody may wait for it without knowing."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import InterfaceError

from rollcast import dispatch
from rollcast.worker.run import WorkerProcess
from rollcast.worker.sweep import Sweep
from tests.waiting import eventually
from tests.worker.conftest import Bench

# `rollcast up` with a worker that fails as soon as it has registered.
FAILING_UP = """
import sys
from rollcast import dispatch
from rollcast.cli import main

def listen(listener):
    raise ValueError("no such bell")

dispatch.listen = listen
sys.exit(main(["up", "--port", "0", "--home", sys.argv[1]]))
"""


def test_a_mistake_ends_the_worker_and_whoever_started_it_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rounds(self: Sweep) -> None:
        raise ValueError("no such row")

    monkeypatch.setattr(Sweep, "rounds", rounds)
    told = threading.Event()
    worker = WorkerProcess("test").run_in_thread(on_error=told.set)
    assert told.wait(10)
    assert worker.stop()
    assert repr(worker.error) == "ValueError('no such row')"


def test_a_database_that_went_away_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    listen = dispatch.listen
    refusals: list[Exception] = [InterfaceError("connection already closed")]

    def refuses_once(*args: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return listen(*args)

    monkeypatch.setattr(dispatch, "listen", refuses_once)
    bench.hosts("a")
    bench.recipe("- name: say\n  run: echo said\n")
    rollout = bench.start()
    worker = bench.worker()
    assert bench.until_ended(rollout)["rollout"]["state"] == "succeeded"
    assert worker.error is None


def test_a_console_whose_worker_cannot_go_on_ends_and_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FAILING_UP, str(tmp_path / "home")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as console:
        try:
            eventually(lambda: console.poll() is not None, 60)
            _out, said = console.communicate()
        finally:
            console.kill()
    assert console.returncode == 1
    assert "no such bell" in said
    assert "The worker ended by an error, and the console with it" in said
