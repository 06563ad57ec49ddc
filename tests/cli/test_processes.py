"""`rollcast up --no-worker` beside `rollcast worker`, on a fresh home, with hosts imported from a file."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.demo.fleets import running_fleet

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
COMMAND = (sys.executable, "-m", "rollcast.cli")
RECIPE = 'name: greet\nsteps:\n  - name: say hello\n    run: echo "你好 from $(basename "$HOME")"\n'


@contextmanager
def running(*argv: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command that stays, ended by SIGTERM; yields it and its first line."""
    process = subprocess.Popen(
        [*COMMAND, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        first = process.stdout.readline()
        try:
            yield process, first
        finally:
            process.send_signal(signal.SIGTERM)
            said = process.stderr.read()
            assert process.wait(60) == 0, said
    assert "Traceback" not in said


def rollcast(home: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *argv, "--home", str(home)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=ENVIRONMENT,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    (made / "recipes").mkdir(parents=True)
    (made / "recipes" / "greet.yml").write_text(RECIPE, "utf-8")
    return made


def test_a_console_without_a_worker_and_a_worker_beside_it(home: Path, tmp_path: Path) -> None:
    with (
        running_fleet(tmp_path / "fleet", hosts=2) as fleet,
        running("up", "--no-worker", "--port", "0", "--json", "--home", str(home)) as (_, first),
    ):
        url = json.loads(first)["url"]
        with (tmp_path / "hosts.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(fleet.rows[0]))
            table.writeheader()
            table.writerows(fleet.rows)
        imported = rollcast(home, "hosts", "import", str(tmp_path / "hosts.csv"))
        assert imported.stdout == "2 created, 0 updated, 0 unchanged\n", imported.stderr
        start = ("rollout", "start", "greet", "--waves", "rest", "--watch", "--home", str(home))
        with subprocess.Popen(
            [*COMMAND, *start], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
        ) as watching:
            try:
                assert watching.stderr is not None
                assert watching.stderr.readline() == "rollcast: No worker is running.\n"
                with running("worker", "--home", str(home)) as (_, said):
                    assert said.startswith("worker ")
                    watched, _ = watching.communicate(timeout=120)
            finally:
                watching.kill()
        assert watching.returncode == 0, watched
        for line in ("eu-01 | 你好 from eu-01", "us-01 · 1 say hello succeeded", "rollout 1 succeeded"):
            assert line in watched.splitlines()
        link = rollcast(home, "sign-in").stdout.strip()
        assert link.startswith(url + "/sign-in/link/")
        with urllib.request.urlopen(link, timeout=20) as page:
            assert page.status == 200
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/api/rollouts", timeout=20)
        assert refused.value.code == 401
        refused.value.close()
    assert rollcast(home, "sign-in").returncode == 1


def test_a_worker_with_a_lifeline_says_who_it_is_and_ends_with_its_stdin(home: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "worker", "--json", "--lifeline", "--name", "one", "--home", str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        said = json.loads(process.stdout.readline())
        assert (said["pid"], said["worker"][:4]) == (process.pid, "one-")
        process.stdin.close()
        assert process.wait(60) == 0


def test_a_port_that_is_taken_is_named_with_the_cure(home: Path) -> None:
    with running("up", "--no-worker", "--port", "0", "--json", "--home", str(home)) as (_, first):
        port = json.loads(first)["url"].rpartition(":")[2]
        second = rollcast(home, "up", "--port", port)
    assert second.returncode == 1
    assert f"port {port}" in second.stderr
    assert "--port" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_home_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = rollcast(tmp_path / "file" / "home", "hosts", "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("rollcast: ")


def test_commands_may_start_together_on_a_new_home(home: Path) -> None:
    argv = [*COMMAND, "hosts", "list", "--home", str(home)]
    together = [
        subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        for _ in range(4)
    ]
    said = [process.communicate(timeout=120)[1] for process in together]
    assert [process.returncode for process in together] == [0, 0, 0, 0], said


def test_a_reader_that_has_had_enough_gets_no_traceback(home: Path) -> None:
    run = subprocess.Popen(
        [*COMMAND, "hosts", "list", "--home", str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
    )
    assert run.stdout is not None
    run.stdout.close()
    run.stdout = None
    assert b"Errno" not in run.communicate(timeout=60)[1]
