"""A worker that cannot go on: nobody may wait for it without knowing."""

from __future__ import annotations

import queue
import subprocess
import sys
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
# The same before anybody but the worker's own thread has gone on.
FAILING_AT_ONCE = f"""
import threading
from rollcast.config import boot

collect_statics = boot.collect_statics

def late():
    from rollcast.worker.run import WorkerProcess
    run_in_thread = WorkerProcess.run_in_thread

    def in_thread(self, on_error):
        run_in_thread(self, on_error)
        threading.Event().wait(60)

    WorkerProcess.run_in_thread = in_thread
    collect_statics()

boot.collect_statics = late
{FAILING_UP}"""


def test_a_mistake_ends_the_worker_and_whoever_started_it_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rounds(self: Sweep) -> None:
        raise ValueError("no such row")

    monkeypatch.setattr(Sweep, "rounds", rounds)
    told: queue.Queue[Exception] = queue.Queue()
    worker = WorkerProcess("test").run_in_thread(on_error=told.put)
    assert repr(told.get(timeout=10)) == "ValueError('no such row')"
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


@pytest.mark.parametrize("failing", [FAILING_UP, FAILING_AT_ONCE], ids=["soon", "at once"])
def test_a_console_whose_worker_cannot_go_on_ends_and_says_why(tmp_path: Path, failing: str) -> None:
    command = [sys.executable, "-c", failing, str(tmp_path / "home")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as console:
        try:
            eventually(lambda: console.poll() is not None, 60)
            _out, said = console.communicate()
        finally:
            console.kill()
    assert console.returncode == 1
    assert "no such bell" in said
    assert "The worker ended by an error, and the console with it" in said
