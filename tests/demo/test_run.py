"""`rollcast demo` until the end of power, and again: nothing is lost, nothing is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rollcast.demo import asking
from tests.demo.fleets import processes_under
from tests.waiting import eventually

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
START_S = 90.0


@contextmanager
def running_demo(home: Path, speed: str, end: signal.Signals = signal.SIGTERM) -> Iterator[str]:
    """The demo, ended by a signal to its group, as Ctrl-C sends it; yields what it said when it was ready."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "rollcast.cli", "demo", "--home", str(home)),
            *("--hosts", "2", "--speed", speed, "--port", "0"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process:
        try:
            said = ""
            while "Ctrl-C" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            yield said
        finally:
            os.killpg(process.pid, end)
            rest = process.stdout.read()
            assert process.wait(60) == (-end if end == signal.SIGKILL else 0), rest
    assert "Traceback" not in rest


def rollcast(home: Path) -> Callable[..., Any]:
    def run(*argv: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "rollcast.cli", *argv, "--json", "--home", str(home)],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
            env=ENVIRONMENT,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_a_second_start_finds_the_rollout_where_the_power_was_cut(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    run = rollcast(home)

    def targets() -> list[dict[str, Any]]:
        return list(run("rollout", "show", "1")[0]["targets"])

    with running_demo(home, "0.05", signal.SIGINT) as said:
        assert re.search(r"http://127\.0\.0\.1:\d+/sign-in/link/\S+", said)
        assert "real shell commands as you" in said
        assert [host["pinned"] for host in run("hosts", "list")[0]] == [1, 1]
        run("rollout", "start", "update-game-server", "--waves", "rest")
        eventually(lambda: all("running" in {step["state"] for step in t["steps"]} for t in targets()), 60)
        assert processes_under(home / "fleet")
    assert processes_under(home / "fleet") == []
    assert not _named(home)

    with running_demo(home, "50"):
        eventually(lambda: "interrupted" in {target["reason"] for target in targets()}, START_S)
        assert run("rollout", "show", "1")[0]["rollout"]["state"] == "running"
        eventually(lambda: all(target["reason"] == "interrupted" for target in targets()), START_S)
        run("rollout", "retry", "1")
        events = run("rollout", "watch", "1")
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert run("rollout", "show", "1")[0]["rollout"]["state"] == "succeeded"
        (link,) = run("sign-in")
        assert "/sign-in/link/" in link["link"]
    assert not _named(home)


def test_a_drill_that_was_asked_for_on_the_page_is_carried_out_by_the_demo(tmp_path: Path) -> None:
    home = tmp_path / "demo"

    def state() -> dict[str, Any]:
        return asking.said(home) or {"running": True}

    with running_demo(home, "50"):
        assert asking.ask(home, 6.0)
        eventually(lambda: not state()["running"], 300.0)
        assert (state()["remarks"], state()["account"]["closed"]) == ([], True)
        assert sum(state()["account"]["faults"].values()) == len(state()["faults"]) > 0
        assert asking.asked(home) is None
        page = rollcast(home)("rollout", "show", str(state()["rollout"]))[0]
        assert page["rollout"]["state"] == "succeeded"


def test_a_killed_demo_leaves_nothing_running_and_two_in_one_folder_are_refused(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    with running_demo(home, "50", signal.SIGKILL):
        second = subprocess.run(
            [sys.executable, "-m", "rollcast.cli", "demo", "--home", str(home)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert second.returncode == 1
        assert second.stderr.startswith(f"rollcast: a demo is running in {home} already")
    eventually(lambda: not _named(home), 60)


def _named(folder: Path) -> list[str]:
    """Command lines of living processes that name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if str(folder) in command:
                found.append(command)
    return found
