"""Stopping, looking and reading: what the runner answers about a step, with every shell."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess

import pytest

from rollcast.remote.connector import (
    Connection,
    Ended,
    Gone,
    Missing,
    Refused,
    StopAnswer,
)
from rollcast.remote.errors import RunnerError
from tests.remote.hosts import Host
from tests.remote.processes import followers_of, is_alive, processes_of, stat_of
from tests.remote.steps import begin, last_of, read_all, read_until, run
from tests.waiting import eventually

ANOTHER_BOOT = "00000000-0000-4000-8000-000000000000"


# Stopping


async def test_stop_ends_a_family_that_ignores_term(connected: Connection, shell_host: Host) -> None:
    directory = shell_host.new_directory()
    script = "trap '' TERM; (while :; do sleep 0.2; done) & echo on; while :; do sleep 0.2; done"
    attachment = await begin(connected, directory, script)
    await read_until(attachment, b"on\n")

    assert await connected.stop(directory, 0) == StopAnswer("stopped")

    last = await last_of(attachment)
    assert isinstance(last, Ended)
    assert last.code == 137
    eventually(lambda: not processes_of(directory))
    assert await connected.stop(directory, 0) == StopAnswer("stopped")  # it did not end by itself


@pytest.mark.parametrize("begun", [False, True])
async def test_a_step_that_ended_under_a_stop_is_stopped_whole_and_one_that_ended_by_itself_is_left(
    connected: Connection, shell_host: Host, begun: bool
) -> None:
    directory = shell_host.new_directory()
    reading = await run(connected, directory, "sleep 300 & echo $!; exit 3")
    child = int(reading.data)
    if begun:  # an earlier stop was cut off, or could not end the child
        (shell_host.run_folder(directory) / "stopping").touch()

    answer = await connected.stop(directory, 0)

    assert answer.evidence == ("stopped" if begun else "already_ended")
    assert is_alive(child) != begun
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, 9)


async def test_stop_gives_a_step_its_grace(connected: Connection, shell_host: Host) -> None:
    directory = shell_host.new_directory()
    script = "trap 'echo saving; exit 5' TERM; echo on; while :; do sleep 0.1; done"
    attachment = await begin(connected, directory, script)
    await read_until(attachment, b"on\n")

    assert await connected.stop(directory, 10) == StopAnswer("stopped")

    look = await connected.look(directory)
    assert (look.state, look.code) == ("ended", 5)
    assert await read_until(attachment, b"saving")
    await attachment.aclose()


async def test_stop_before_any_start_seals(connected: Connection, shell_host: Host) -> None:
    directory = shell_host.new_directory()
    assert await connected.stop(directory, 1) == StopAnswer("stopped", "sealed")
    assert (await run(connected, directory, "touch ran")).items == [Refused("sealed")]


# What became of it


async def test_a_killed_supervisor_is_alive_as_long_as_its_step(
    connected: Connection, shell_host: Host
) -> None:
    directory = shell_host.new_directory()
    attachment = await begin(connected, directory, "echo on; while :; do sleep 0.2; done")
    await read_until(attachment, b"on\n")
    supervisor = int((shell_host.run_folder(directory) / "supervisor").read_text().split()[0])
    os.kill(supervisor, 9)

    assert (await connected.look(directory)).state == "alive"
    assert await connected.stop(directory, 1) == StopAnswer("stopped")
    assert (await connected.look(directory)).state == "gone"
    await attachment.aclose()

    reading = await read_all(await connected.attach(directory, 0))
    assert reading.data.startswith(b"on\n")
    assert reading.last == Gone("gone")
    assert await connected.stop(directory, 1) == StopAnswer("stopped")


async def test_a_zombie_is_not_alive(connected: Connection, shell_host: Host) -> None:
    directory = shell_host.new_directory()
    await run(connected, directory, "echo on")
    folder = shell_host.run_folder(directory)
    zombie = subprocess.Popen(["true"])
    eventually(lambda: stat_of(zombie.pid)[0] == "Z")
    started, _rest = (folder / "control").read_text().split("\n", 1)
    _word, _pid, _start, boot_id = started.split()
    (folder / "control").write_text(f"started {zombie.pid} {stat_of(zombie.pid)[19]} {boot_id}\n")
    (folder / "supervisor").write_text(f"{zombie.pid} {stat_of(zombie.pid)[19]}\n")

    assert (await connected.look(directory)).state == "gone"
    zombie.wait()


async def test_another_boot_means_interrupted(connected: Connection, shell_host: Host) -> None:
    directory = shell_host.new_directory()
    await run(connected, directory, "echo on")
    folder = shell_host.run_folder(directory)
    (folder / "control").write_text(f"started {os.getpid()} {stat_of(os.getpid())[19]} {ANOTHER_BOOT}\n")

    assert (await connected.look(directory)).state == "interrupted"
    reading = await read_all(await connected.attach(directory, 0))
    assert (reading.data, reading.last) == (b"on\n", Gone("interrupted"))


async def test_a_folder_that_vanished_is_missing(connected: Connection, shell_host: Host) -> None:
    directory = shell_host.new_directory()
    attachment = await begin(connected, directory, "sleep 0.5")
    subprocess.run(["rm", "-rf", str(shell_host.home / directory)], check=True)

    assert isinstance((await read_all(await connected.attach(directory, 0))).last, Missing)
    assert (await connected.look(directory)).state == "missing"
    assert await connected.digest(directory, [(0, 1)]) == []
    await attachment.aclose()


# Reading


async def test_a_follower_ends_with_its_channel_and_the_step_goes_on(
    connected: Connection, shell_host: Host
) -> None:
    directory = shell_host.new_directory()
    attachment = await begin(connected, directory, f"{shell_host.gate(directory)}; echo done")
    eventually(lambda: followers_of(directory))

    await attachment.aclose()

    eventually(lambda: not followers_of(directory))
    assert (await connected.look(directory)).state == "alive"
    shell_host.open_gate(directory)
    assert (await read_all(await connected.attach(directory, 0))).data == b"done\n"


async def test_digests_of_stretches(connected: Connection, shell_host: Host) -> None:
    directory = shell_host.new_directory()
    reading = await run(connected, directory, "seq 1 1000")
    stretches = [(0, 10), (10, 3000), (3000, len(reading.data)), (5, 5)]

    digests = await connected.digest(directory, stretches)

    assert digests == [hashlib.sha256(reading.data[begin:end]).hexdigest() for begin, end in stretches]
    assert await connected.digest(directory, []) == []


async def test_cleaning_removes_the_journal_and_keeps_the_tombstone(
    connected: Connection, shell_host: Host
) -> None:
    directory = shell_host.new_directory()
    attachment = await begin(connected, directory, shell_host.gate(directory))
    with pytest.raises(RunnerError, match="alive"):
        await connected.clean(directory)
    shell_host.open_gate(directory)
    assert isinstance(await last_of(attachment), Ended)

    await connected.clean(directory)

    assert not (shell_host.run_folder(directory) / "journal").exists()
    assert isinstance((await read_all(await connected.attach(directory, 0))).last, Missing)
    assert (await run(connected, directory, "touch ran")).items == [Refused("taken")]
