"""The guide's Celery task in a real worker with a real broker: when it dies, the next goes on at the mark."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery import Celery
from django.db import connection

import livefeed
from tests.livefeed.conftest import DOORBELLS
from tests.livefeed.guide import GUIDE, blocks
from tests.livefeed.serving import environment
from tests.livefeed.test_guide import LINES, Work
from tests.redis_server import running_redis
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = ("-m", "celery", "-A", "tests.livefeed.celery_app", "worker")
ALONE = ("--concurrency", "1", "--without-gossip", "--without-mingle", "--loglevel", "WARNING")
DEADLINE_S = 60.0


def copy_guide(folder: Path) -> None:
    """`report/work.py` and the task, as the guide has them."""
    (folder / "report").mkdir()
    for name, mark in (("work", "`report/work.py`, a new file"), ("tasks", "**In a Celery task**")):
        [block] = [one for one in blocks(GUIDE) if one.before.startswith(mark)]
        (folder / "report" / f"{name}.py").write_text(block.text, "utf-8")


@contextmanager
def worker(folder: Path, broker: str) -> Iterator[int]:
    """The pid of a Celery worker, which works in a child."""
    file, bell = str(connection.settings_dict["NAME"]), {"DOORBELL": DOORBELLS["sqlite"]}
    more = {"BROKER": broker, "STEPS": str(folder / "steps"), "PYTHONPATH": str(folder), "C_FORCE_ROOT": "1"}
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, *WORKER, *ALONE],
            env=environment(file, bell) | more,
            stdout=said,
            stderr=said,
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def children(pid: int) -> list[int]:
    """The processes in which the worker works."""
    return [int(found) for found in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def written() -> list[str]:
    """The chapters in the feed."""
    return [line for group in livefeed.read("report/7").groups if group[1] == "line" for line in group[5]]


def test_a_worker_that_dies_repeats_and_loses_no_chapter(tmp_path: Path) -> None:
    copy_guide(tmp_path)
    livefeed.append("report/7", [])
    work = Work(tmp_path / "steps")
    with running_redis(tmp_path) as broker, worker(tmp_path, broker) as pid:
        Celery(broker=broker).send_task("report.tasks.write_report", ["report/7"])
        work.go_on(5)
        eventually(lambda: written() == LINES[:5], DEADLINE_S)
        [dies] = children(pid)
        os.kill(dies, signal.SIGKILL)
        eventually(lambda: dies not in children(pid))  # or it could still be let go on
        work.go_on(len(LINES) - 5)
        eventually(lambda: livefeed.head("report/7").closed, DEADLINE_S)
    work.close()
    assert written() == LINES
    assert "WorkerLostError" in (tmp_path / "said").read_text()
