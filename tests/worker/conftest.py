"""A fleet of local hosts, recipes in a folder, and workers that really work on them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

import livefeed
from rollcast.fleet.models import Credential, Host
from rollcast.remote.connector import Connection, ConnectOptions, HostSpec, step_directory
from rollcast.remote.connectors import open_connection
from rollcast.remote.errors import Unreachable
from rollcast.rollouts import actions, leases, queries
from rollcast.rollouts.actions import StartRequest
from rollcast.worker.conduct import conduct
from rollcast.worker.context import Connect
from rollcast.worker.run import WorkerProcess, WorkerThread
from tests.remote.processes import is_alive
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
        self._processes: list[subprocess.Popen[bytes]] = []

    def hosts(self, *names: str) -> None:
        """Hosts on this machine."""
        for name in names:
            Host.objects.create(name=name, address="local", connector="local", updated_at=timezone.now())

    def hosts_elsewhere(self, name: str, port: int) -> None:
        """A host to be reached by SSH on a port of this machine."""
        key_file = self.home.parent / "key"
        if not key_file.exists():
            asyncssh.generate_private_key("ssh-ed25519").write_private_key(key_file)
        credential = Credential.objects.create(name=name, key_file=str(key_file))
        Host.objects.create(
            name=name, address="127.0.0.1", port=port, username="nobody", credential=credential
        )

    def remove_host(self, name: str) -> None:
        """Take a host out of the fleet."""
        Host.objects.get(name=name).delete()

    def wait_for(self, gate: str) -> str:
        """A shell text that ends once `open(gate)` was called."""
        return f"until [ -e $HOME/{gate} ]; do sleep 0.05; done"

    def open(self, gate: str) -> None:
        """Let everybody pass who waits for the gate."""
        (self.home / gate).touch()

    def until_made(self, name: str) -> None:
        """Wait until a step has made that file or folder in its home."""
        eventually((self.home / name).exists)

    def run_folders(self, rollout_id: int | None) -> list[Path]:
        """The folders in which attempts of the rollout (None: of all) ran on their hosts."""
        number = "*" if rollout_id is None else rollout_id
        return sorted(self.home.glob(f".rollcast/*/r{number}/*/*/*/run"))

    def pids(self, rollout_id: int | None) -> list[int]:
        """The living processes of steps and their supervisors: leaders of their sessions."""
        found = []
        for run in self.run_folders(rollout_id):
            control = (run / "control").read_text().split() if (run / "control").exists() else []
            leaders = [int(control[1])] if control[:1] == ["started"] else []
            if (run / "step").exists():  # and maybe not written yet
                leaders += [int(pid) for pid in (run / "step").read_text().split()[:1]]
            found += [pid for pid in leaders if is_alive(pid)]
        return found

    def power_off(self, rollout_id: int | None = None) -> None:
        """Kill all of the rollout on its hosts at once, as a power cut does: no exit record is left."""
        for pid in self.pids(rollout_id):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

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

    def worker(self, connect: Connect = open_connection) -> WorkerThread:
        """A worker in a thread of this process."""
        worker = WorkerProcess("test", connect).run_in_thread()
        self._workers.append(worker)
        return worker

    def worker_process(self) -> subprocess.Popen[bytes]:
        """A worker as a process of its own, on this test's database; killed at the end of the test."""
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.worker.process_settings",
            "ROLLCAST_TEST_DATABASE": str(connection.settings_dict["NAME"]),
            "ROLLCAST_TEST_OPTIONS": json.dumps(settings.ROLLCAST, default=str),
        }
        command = [sys.executable, "-m", "django", "rollcast_worker", "--name", "process"]
        process = subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2])
        self._processes.append(process)
        return process

    def stop_workers(self) -> None:
        """End all workers in order."""
        for worker in self._workers:
            assert worker.stop(timeout_s=20)
        for process in self._processes:
            process.kill()
            process.wait(timeout=10)

    def write_starting_row(self, rollout_id: int) -> int:
        """Leave the first target as a worker killed between row and packet does; its id."""
        target = self.page(rollout_id)["targets"][0]["id"]
        worker = leases.register("killed at once", 0.0, {})
        (rollout,) = leases.claim_rollouts(worker, 0.0, 1)
        while conduct(rollout, 0.0):
            pass
        (held,) = leases.claim_targets(worker, 0.0, 1)
        assert actions.begin_step(held.id, held.fence, 0, 1)
        return int(target)

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

    def until_step(self, rollout_id: int, step: int, state: str, deadline_s: float = 20) -> None:
        """Wait until the newest attempt of the step is in the state on every host."""
        eventually(
            lambda: all(
                [run["state"] for run in target["steps"] if run["step"] == step][-1:] == [state]
                for target in self.page(rollout_id)["targets"]
            ),
            deadline_s,
        )

    def until_ended(self, rollout_id: int, deadline_s: float = 30) -> dict[str, Any]:
        """Wait for the rollout's end; its page."""
        eventually(lambda: self.page(rollout_id)["rollout"]["state"] in ENDS, deadline_s)
        return self.page(rollout_id)


class Cable:
    """The way between a worker and its hosts; a test may cut it."""

    def __init__(self) -> None:
        self.up = True
        self._connections: list[Connection] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, spec: HostSpec, options: ConnectOptions) -> Connection:
        """Reach a host, if the cable is whole."""
        self._loop = asyncio.get_running_loop()
        if not self.up:
            raise Unreachable(f"{spec.name}: the cable is cut")
        connection = await open_connection(spec, options)
        self._connections.append(connection)
        return connection

    def cut(self) -> None:
        """Cut all connections that there are; `up` says whether new ones come about."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(timeout=20)

    async def _cut(self) -> None:
        connections, self._connections = self._connections, []
        for one in connections:
            await one.close()


def journal_of(bench: Bench, rollout_id: int, target_id: int, step: int, attempt: int) -> bytes:
    """The journal as it stands on the host."""
    directory = step_directory(livefeed.instance_epoch(), rollout_id, target_id, step, attempt)
    return (bench.home / directory / "run" / "journal").read_bytes()


def joined_lines(rollout_id: int, target_id: int, step: int, attempt: int) -> str:
    """What is stored of a step run: the pieces joined, a newline behind each line."""
    origin, after, text = f"t{target_id}/s{step}/a{attempt}", 0, ""
    while True:
        page = livefeed.read(f"rollout/{rollout_id}", after=after)
        for _lane, kind, whose, _at, _first, items in page.groups:
            if whose == origin and kind in ("line", "cont"):
                for item in items:
                    text += item if isinstance(item, str) else item["text"]
                    text += "\n" if kind == "line" else ""
        if page.to >= page.head:
            return text
        after = page.to


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
        "SILENCE_LOOK_S": 0.5,
        "LEASE_TRUST_S": 30.0,
    }
    yield made
    made.stop_workers()
    made.power_off()
    left = [thread.name for thread in threading.enumerate() if "database" in thread.name]
    assert not left, f"threads left behind: {left}"


@pytest.fixture(params=["with hints", "muted"])
def hints(request: pytest.FixtureRequest, bench: Bench, settings: Any) -> str:
    """Everything once with hints and once without any: the slow poll alone must be enough."""
    if request.param == "muted":
        settings.ROLLCAST = {**settings.ROLLCAST, "DISPATCHER": "rollcast.dispatchers.muted.MutedDispatcher"}
        settings.LIVEFEED = {**settings.LIVEFEED, "DOORBELL": "livefeed.doorbells.muted.MutedDoorbell"}
    return str(request.param)
