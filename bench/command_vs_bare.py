"""command_vs_bare: one command on 100 hosts, our CPU beside that of the same asyncssh calls alone.

Three layers, each on new connections to the same demo hosts, with the same options and as many at a time:

* bare: connect, a session with the command, its output to the end, close. What a cut interrupts is lost.
* runner: `rollcast.remote`: the command runs detached on the host, beside a journal, and is followed.
* rollout: all of Rollcast: rows, states and leases, each line stored with its mark, the account of each step.

Only this process' CPU counts, that of all its threads; the hosts are in another one. The difference is what
the promises cost, so there is no floor.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import asyncssh
from typing_extensions import override

from bench.figures import folder, say, say_figure
from rollcast.remote.connector import ConnectOptions, Ended, HostSpec, Output, step_directory
from rollcast.remote.connectors import open_connection
from rollcast.remote.connectors.ssh import CIPHERS, KEX
from rollcast.remote.follow import follow
from rollcast.remote.pipe import HIGH_WATER

HOSTS: Final = 100
ROUNDS: Final = 2
COMMAND: Final = "for i in 1 2 3 4 5; do echo check $i of 5: ok; done"
LINES: Final = 5
RECIPE: Final = f"name: bench\ntitle: Bench\nsteps:\n  - name: check\n    run: {json.dumps(COMMAND)}\n"
TIMEOUT_S: Final = 60.0
MAX_OUTPUT: Final = 1024 * 1024
POLL_S: Final = 0.05

Rows = list[dict[str, Any]]


@contextmanager
def fleet(home: Path) -> Iterator[Rows]:
    """The inventory of running demo hosts."""
    command = [
        *(sys.executable, "-m", "rollcast.demo.fleet", "--folder", str(home), "--lifeline"),
        *("--hosts", str(HOSTS), "--ports-from", str(random.randrange(10_000, 30_000))),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            yield json.loads(Path(ready["inventory"]).read_text("utf-8"))
        finally:
            process.stdin.close()
            process.wait(TIMEOUT_S)


class Session(asyncssh.SSHClientSession[bytes]):
    """One command's output."""

    def __init__(self) -> None:
        self.output = bytearray()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @override
    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self.output += data

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(None)


@dataclass(frozen=True)
class Bare:
    """asyncssh alone, with the options of `rollcast.remote.connectors.ssh`."""

    client_key: asyncssh.SSHKey
    host_keys: dict[str, asyncssh.SSHKey]

    async def run(self, spec: HostSpec) -> int:
        """The number of lines of one host."""
        options = ConnectOptions()
        connection, _ = await asyncssh.create_connection(
            asyncssh.SSHClient,
            spec.address,
            spec.port,
            username=spec.username,
            client_keys=[self.client_key],
            known_hosts=([self.host_keys[spec.name]], [], []),
            server_host_key_algs=["ssh-ed25519"],
            config=None,
            agent_path=None,
            agent_forwarding=False,
            gss_kex=False,
            gss_auth=False,
            host_based_auth=False,
            kbdint_auth=False,
            password_auth=False,
            preferred_auth=["publickey"],
            x509_trusted_certs=None,
            x509_trusted_cert_paths=[],
            kex_algs=KEX,
            encryption_algs=CIPHERS,
            compression_algs=["none"],
            connect_timeout=options.connect_timeout_s,
            login_timeout=options.login_timeout_s,
            keepalive_interval=options.keepalive_s,
            keepalive_count_max=options.keepalive_count,
        )
        session = Session()
        await connection.create_session(lambda: session, COMMAND, encoding=None, window=HIGH_WATER)
        await session.ended
        connection.close()
        await connection.wait_closed()
        return session.output.count(b"\n")


async def by_runner(spec: HostSpec) -> int:
    """The same for a detached step that is followed."""
    directory = step_directory(f"bench{secrets.token_hex(6)}", 1, 1, 0, 1)
    connection = await open_connection(spec)
    attachment = await connection.start(
        directory, {}, COMMAND.encode(), timeout_s=TIMEOUT_S, max_output=MAX_OUTPUT
    )
    lines = 0
    async for item in follow(connection, directory, 0, attachment=attachment):
        if isinstance(item, Output):
            lines += item.data.count(b"\n")
        elif isinstance(item, Ended):
            assert item.code == 0
    await connection.close()
    return lines


def cpu_of_all(specs: list[HostSpec], run: Callable[[HostSpec], Awaitable[int]]) -> float:
    """CPU seconds of the command on all hosts."""

    async def all_hosts() -> list[int]:
        handshakes = asyncio.Semaphore(ConnectOptions().handshakes)

        async def one(spec: HostSpec) -> int:
            async with handshakes:
                return await run(spec)

        async with asyncio.timeout(TIMEOUT_S):
            return await asyncio.gather(*(one(spec) for spec in specs))

    began = time.process_time()
    counts = asyncio.run(all_hosts())
    took = time.process_time() - began
    assert counts == [LINES] * HOSTS, counts
    return took


def cpu_of_threads(part: str) -> float:
    """CPU seconds so far of this process' threads whose name ends so."""
    return sum(
        time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        for thread in threading.enumerate()
        if thread.ident is not None and part in thread.name
    )


def cpu_of_rollout() -> tuple[float, float]:
    """CPU seconds of a rollout on all hosts, and those of the worker's database thread among them."""
    from rollcast.engine.states import ROLLOUT_ENDS, RolloutState
    from rollcast.rollouts.actions import StartRequest, start_rollout
    from rollcast.rollouts.queries import rollout_page

    database, began = cpu_of_threads("-database"), time.process_time()
    rollout_id = start_rollout(StartRequest("bench", selector="*", parallel=HOSTS), "cli:bench")
    until = time.monotonic() + TIMEOUT_S
    pause = threading.Event()
    while (state := _state(rollout_id)) not in ROLLOUT_ENDS and time.monotonic() < until:
        pause.wait(POLL_S)
    took = time.process_time() - began
    database = cpu_of_threads("-database") - database
    assert state is RolloutState.SUCCEEDED, rollout_page(rollout_id)["rollout"]
    return took, database


def _state(rollout_id: int) -> Any:
    from rollcast.engine.states import RolloutState
    from rollcast.rollouts.queries import rollout_page

    return RolloutState(rollout_page(rollout_id)["rollout"]["state"])


def measure(home: Path) -> float:
    """The figure, and where the difference goes."""
    from rollcast.config.boot import configure

    configure(home, log_level="ERROR")
    (home / "recipes" / "bench.yml").write_text(RECIPE, "utf-8")
    say(f"command_vs_bare: one command, {LINES} lines, on {HOSTS} hosts; CPU of all hosts together")
    with fleet(home / "fleet") as rows:
        return _compare(rows)


def _compare(rows: Rows) -> float:
    from rollcast.fleet.actions import import_host_rows
    from rollcast.fleet.queries import host_spec, select_hosts
    from rollcast.worker.run import WorkerProcess

    import_host_rows(rows, "inventory.json", "cli:bench")
    specs = [host_spec(host) for host in select_hosts("*")]
    keys = {row["name"]: asyncssh.import_public_key(row["host_key"]) for row in rows}
    bare = Bare(asyncssh.read_private_key(rows[0]["key_file"]), keys)
    worker = WorkerProcess("bench").run_in_thread()
    layers: dict[str, list[float]] = {"bare": [], "runner": [], "rollout": [], "database": []}
    try:
        cpu_of_all(specs, bare.run)  # neither counts: what is imported late, and the runner put on the hosts
        cpu_of_all(specs, by_runner)
        for _ in range(ROUNDS):
            layers["bare"].append(cpu_of_all(specs, bare.run))
            layers["runner"].append(cpu_of_all(specs, by_runner))
            took, database = cpu_of_rollout()
            layers["rollout"].append(took)
            layers["database"].append(database)
    finally:
        assert worker.stop()
    _explain(partial(_middle, layers))
    return statistics.median(b / o for b, o in zip(layers["bare"], layers["rollout"], strict=True))


def _middle(layers: dict[str, list[float]], name: str) -> float:
    return statistics.median(layers[name])


def _explain(middle: Callable[[str], float]) -> None:
    bare, runner, rollout, database = (middle(name) for name in ("bare", "runner", "rollout", "database"))
    say(f"  {bare:5.2f} s  bare asyncssh: handshakes, a session, the output")
    say(f"  {runner - bare:+5.2f} s  the runner: detached, journal, control records, followed")
    say(f"  {database:+5.2f} s  the database thread: rows, states, leases, lines and marks")
    say(f"  {rollout - runner - database:+5.2f} s  all else: deciding, decoding, digests, hand-over")
    say(f"  {rollout:5.2f} s  a rollout in Rollcast: bare costs {bare / rollout:.2f} of it")


def main() -> None:
    """Measure in a folder of its own."""
    with folder() as home:
        say_figure("command_vs_bare", measure(home))


if __name__ == "__main__":
    main()
