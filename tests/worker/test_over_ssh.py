"""Rollouts over real SSH: Debian's own sshd and the demo fleet's server, their keys, cuts and encodings."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncssh
import pytest

import livefeed
from rollcast.fleet.actions import import_host_rows, trust_host
from rollcast.fleet.queries import host_row
from rollcast.rollouts import actions, queries
from tests.remote.hosts import Host, demo_host, openssh_host
from tests.remote.processes import is_alive
from tests.remote.proxy import CuttingProxy, cutting_proxy
from tests.waiting import eventually
from tests.worker.conftest import Bench, joined_lines, journal_of
from tests.worker.test_contact import grows_from
from tests.worker.test_takeover import account_closes

SAYS = "- name: say\n  run: echo said\n"
HALF_A_LINE = (
    "- name: speak\n  run: |\n    echo begun >> $HOME/begun\n    printf 'half of '\n"
    "    until [ -e $HOME/gate ]; do sleep 0.05; done\n    echo 'a line 第一行'\n"
)


class SshBench:
    """A bench whose host is reached by SSH; what lies on the host lies in the bench's home."""

    def __init__(self, bench: Bench, host: Host, folder: Path) -> None:
        self.bench = bench
        self._host = host
        self._folder = folder
        bench.home = host.home

    def import_host(self, **columns: str) -> None:
        """Bring the host into the fleet as `far`, its key pinned unless `columns` say otherwise."""
        spec = self._host.spec
        row = {
            "name": "far",
            "address": spec.address,
            "port": str(spec.port),
            "user": spec.username,
            "key_file": spec.key_file or "",
            "host_key": spec.host_keys[0],
        }
        import_host_rows([row | columns], "test", "user:olga")

    def another_key(self) -> str:
        """The path of a private key that nobody knows."""
        path = self._folder / "another"
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(path)
        path.chmod(0o600)
        return str(path)

    @property
    def port(self) -> int:
        return self._host.spec.port

    def key_states(self) -> list[str]:
        """What was decided about each of the host's keys."""
        row = host_row("far")
        assert row is not None
        return sorted(key["state"] for key in row["keys"])


@pytest.fixture
def debian(bench: Bench, tmp_path: Path) -> Iterator[SshBench]:
    """Debian's sshd."""
    with openssh_host(tmp_path / "sshd") as host:
        yield SshBench(bench, host, tmp_path)
        bench.stop_workers()


@pytest.fixture(params=["sshd", "demo"])
def either_server(request: pytest.FixtureRequest, bench: Bench, tmp_path: Path) -> Iterator[SshBench]:
    """Debian's sshd, and the demo fleet's server."""
    with ExitStack() as stack:
        server = openssh_host if request.param == "sshd" else demo_host
        yield SshBench(bench, stack.enter_context(server(tmp_path / "server")), tmp_path)
        bench.stop_workers()


class ThreadedProxy:
    """A proxy before the host, in a loop of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        async with cutting_proxy(self._port) as self._proxy:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            self.port = self._proxy.port
            self._ready.set()
            await self._stop.wait()

    def cut(self, *, for_good: bool) -> None:
        """Cut every connection; `for_good`: new ones are cut at their first byte."""
        self._loop.call_soon_threadsafe(_cut, self._proxy, 0 if for_good else None)

    def mend(self) -> None:
        """Let new connections pass."""
        self._loop.call_soon_threadsafe(setattr, self._proxy, "down", None)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()


def _cut(proxy: CuttingProxy, budget: int | None) -> None:
    proxy.down = budget
    proxy.cut_all()


@pytest.fixture
def proxy(debian: SshBench) -> Iterator[ThreadedProxy]:
    """A proxy before Debian's sshd."""
    made = ThreadedProxy(debian.port)
    yield made
    debian.bench.stop_workers()
    made.close()


def fails_with(bench: Bench, rollout: int) -> str:
    """The only target's reason, once the rollout has failed."""
    page = bench.until_ended(rollout)
    assert (page["rollout"]["state"], page["targets"][0]["state"]) == ("failed", "failed")
    assert page["targets"][0]["steps"] == []
    return str(page["targets"][0]["reason"])


def succeeds_on_retry(bench: Bench, rollout: int) -> None:
    """A retry brings the rollout to a good end."""
    actions.retry_rollout(rollout, "user:olga")
    bench.until(rollout, lambda page: page["rollout"]["state"] == "succeeded")
    target = bench.page(rollout)["targets"][0]
    assert joined_lines(rollout, target["id"], 0, 1) == "said\n"


def target_states(rollout: int) -> list[str]:
    """The states through which the only target went, each as often as it came into it."""
    states: list[str] = []
    for _lane, kind, _origin, _at, _first, items in livefeed.read(f"rollout/{rollout}").groups:
        if kind == "target.state":
            states += [item["state"] for item in items if item["state"] not in states[-1:]]
    return states


def test_a_whole_rollout_by_ssh(either_server: SshBench) -> None:
    bench = either_server.bench
    either_server.import_host()
    (bench.files / "game.bin").write_bytes(b"\0\1\2" * 70_000)
    bench.recipe(
        "- name: count\n  run: |\n    i=0\n"
        '    while [ $i -lt 500 ]; do echo "第 $i 行"; i=$((i+1)); done\n'
        "- name: bring\n  upload: {file: game.bin, to: game.bin}\n"
        "- name: holds\n  check: {command: '[ -e game.bin ]', every: 0.1s, deadline: 5s}\n"
        "- name: fails\n  rerun: always\n  run: mkdir tried 2>/dev/null && exit 9; exit 0\n"
    )
    rollout = bench.start()
    bench.worker()
    assert bench.until_ended(rollout)["targets"][0]["reason"] == "exit 9"
    actions.retry_rollout(rollout, "user:olga")
    bench.until(rollout, lambda page: page["rollout"]["state"] == "succeeded")
    assert (bench.home / "game.bin").read_bytes() == b"\0\1\2" * 70_000
    target = bench.page(rollout)["targets"][0]["id"]
    assert joined_lines(rollout, target, 0, 1) == "".join(f"第 {n} 行\n" for n in range(500))


def test_a_cancel_by_ssh_ends_the_process_group(either_server: SshBench) -> None:
    bench = either_server.bench
    either_server.import_host()
    bench.recipe("- name: hangs\n  run: |\n    sleep 300 &\n    sleep 300\n")
    rollout = bench.start()
    bench.worker()
    bench.until_step(rollout, 0, "running")
    pids = bench.pids(rollout)
    assert pids
    actions.cancel_rollout(rollout, "user:olga")
    page = bench.until_ended(rollout)
    assert page["targets"][0]["steps"][0]["stop_evidence"] == "stopped"
    assert not any(is_alive(pid) for pid in pids)


def test_a_host_nobody_has_trusted_fails_until_somebody_does(debian: SshBench) -> None:
    bench = debian.bench
    debian.import_host(host_key="")
    bench.recipe(SAYS)
    rollout = bench.start()
    bench.worker()
    assert fails_with(bench, rollout) == "host_key_unknown"
    assert debian.key_states() == ["pending"]
    trust_host("far", "user:olga")
    succeeds_on_retry(bench, rollout)


def test_a_host_with_another_key_than_the_trusted_one_fails_until_somebody_decides(debian: SshBench) -> None:
    bench = debian.bench
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    debian.import_host(host_key=" ".join(other.split()[:2]))
    bench.recipe(SAYS)
    rollout = bench.start()
    bench.worker()
    assert fails_with(bench, rollout) == "host_key_changed"
    assert debian.key_states() == ["pending", "pinned"]
    trust_host("far", "user:olga")
    assert debian.key_states() == ["pinned", "revoked"]
    succeeds_on_retry(bench, rollout)


def test_a_host_that_refuses_our_key_fails_until_it_has_the_right_one(debian: SshBench) -> None:
    bench = debian.bench
    debian.import_host(key_file=debian.another_key())
    bench.recipe(SAYS)
    rollout = bench.start()
    bench.worker()
    assert fails_with(bench, rollout) == "auth_failed"
    debian.import_host()
    succeeds_on_retry(bench, rollout)


def test_a_key_file_that_is_not_there_fails_and_says_so(debian: SshBench) -> None:
    bench = debian.bench
    debian.import_host(key_file="/nowhere/key")
    bench.recipe(SAYS)
    rollout = bench.start()
    bench.worker()
    assert fails_with(bench, rollout) == "auth_failed"
    assert "/nowhere/key" in bench.page(rollout)["targets"][0]["detail"]
    debian.import_host()
    succeeds_on_retry(bench, rollout)
    assert bench.page(rollout)["targets"][0]["detail"] == ""


def test_a_cut_in_mid_line_loses_the_host_for_a_while_and_not_a_byte(
    debian: SshBench, proxy: ThreadedProxy
) -> None:
    bench = debian.bench
    debian.import_host(port=str(proxy.port))
    bench.recipe(HALF_A_LINE)
    rollout = bench.start()
    bench.worker()
    target = bench.page(rollout)["targets"][0]["id"]
    eventually(lambda: queries.mark(rollout, target, 0, 1) == len("half of "), 20)
    proxy.cut(for_good=True)
    bench.until(rollout, lambda page: page["targets"][0]["state"] == "lost")
    bench.open("gate")
    proxy.mend()
    page = bench.until_ended(rollout)
    assert target_states(rollout)[-4:] == ["running", "lost", "running", "succeeded"]
    assert [run["attempt"] for run in page["targets"][0]["steps"]] == [1]
    assert (bench.home / "begun").read_text() == "begun\n"
    assert joined_lines(rollout, target, 0, 1) == "half of a line 第一行\n"
    account_closes(bench, rollout)


def test_cuts_while_output_flows_lose_and_repeat_nothing(debian: SshBench, proxy: ThreadedProxy) -> None:
    bench = debian.bench
    debian.import_host(port=str(proxy.port))
    bench.recipe(
        "- name: count\n  run: |\n    i=0\n"
        '    until [ -e $HOME/gate ]; do echo "第 $i 行"; i=$((i+1)); sleep 0.002; done\n'
    )
    rollout = bench.start()
    bench.worker()
    target = bench.page(rollout)["targets"][0]["id"]
    for _ in range(6):
        grows_from(rollout, target, queries.mark(rollout, target, 0, 1))
        proxy.cut(for_good=False)
    bench.open("gate")
    assert bench.until_ended(rollout)["rollout"]["state"] == "succeeded"
    account_closes(bench, rollout)


def test_a_host_that_speaks_gb18030_is_read_and_written_so(debian: SshBench) -> None:
    bench = debian.bench
    debian.import_host(encoding="gb18030")
    bench.recipe("- name: say\n  run: |\n    echo 服务器已更新\n    printf '第二行 \\377 𠮷'\n")
    rollout = bench.start()
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    target = page["targets"][0]["id"]
    journal = journal_of(bench, rollout, target, 0, 1)
    assert journal.startswith("服务器已更新\n".encode("gb18030"))
    stored = joined_lines(rollout, target, 0, 1)
    assert stored == journal.decode("gb18030", "backslashreplace")
    assert stored.startswith("服务器已更新\n第二行 ")


def test_what_a_child_says_after_the_steps_end_is_shown_and_counted_apart(debian: SshBench) -> None:
    bench = debian.bench
    debian.import_host()
    bench.recipe(
        "- name: leaves a child\n  run: |\n"
        "    until [ -e $HOME/alone ]; do sleep 0.05; done\n    echo in time\n"
        "    (until [ -e $HOME/ended ]; do sleep 0.05; done; echo late; touch $HOME/told) &\n"
    )
    rollout = bench.start()
    worker = bench.worker()
    bench.until_step(rollout, 0, "running")
    assert worker.stop(timeout_s=20)
    bench.open("alone")
    (run,) = bench.run_folders(rollout)
    eventually(lambda: "exit" in (run / "control").read_text(), 20)
    bench.open("ended")
    bench.until_made("told")
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    (account,) = queries.journal_account(rollout)
    assert (account["journal_bytes"], account["after_end_bytes"]) == (len("in time\n"), len("late\n"))
    assert joined_lines(rollout, page["targets"][0]["id"], 0, 1) == "in time\nlate\n"
