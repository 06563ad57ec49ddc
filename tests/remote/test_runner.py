"""What the runner decides on the host about starts, and about itself, with every shell."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from rollcast.remote import runner
from rollcast.remote.connection import RunnerConnection
from rollcast.remote.connector import (
    Connection,
    Gone,
    Refused,
    StopAnswer,
)
from rollcast.remote.errors import ContactLost, RunnerError
from rollcast.remote.journal import STDERR
from tests.missing import need
from tests.remote.hosts import Host
from tests.remote.steps import begin, read_all, run, start
from tests.waiting import aeventually

ANOTHER_BOOT = "00000000-0000-4000-8000-000000000000"


# Starting


@pytest.mark.parametrize("kept", [0, 1, 20, -1])
async def test_a_start_that_was_cut_runs_nothing(connected: Connection, shell_host: Host, kept: int) -> None:
    directory = shell_host.new_directory()
    sent = b"export A='1'\ntouch ran; rm -rf keep/old\n"

    assert await said_to_a_start(connected, directory, sent, sent[:kept]) == "short"

    assert not (shell_host.home / "ran").exists()
    assert await connected.seal(directory) == "sealed"


async def test_a_start_with_other_bytes_runs_nothing(connected: Connection, shell_host: Host) -> None:
    directory = shell_host.new_directory()
    sent = b"touch ran\n"

    assert await said_to_a_start(connected, directory, sent, sent.upper()) == "short"

    assert (await connected.look(directory)).state == "missing"


async def said_to_a_start(connection: Connection, directory: str, meant: bytes, sent: bytes) -> str:
    """The runner's word on a start that announced `meant`, when `sent` is all that comes."""
    assert isinstance(connection, RunnerConnection)
    arguments = runner.start_arguments(directory, meant, 0, max_output=1000, timeout_s=10, buffering="line")
    pipe, read = await connection.call("start", *arguments)
    await pipe.send(sent)
    pipe.send_eof()
    while (got := await pipe.inbox.get()) is not None:
        read.append(got)
    await pipe.close()
    return b"".join(data for stream, data in read if stream == STDERR).decode().split("\n")[-2]


async def test_a_start_after_a_seal_is_refused(connected: Connection, shell_host: Host) -> None:
    directory = shell_host.new_directory()
    assert await connected.seal(directory) == "sealed"

    reading = await run(connected, directory, "touch ran")

    assert reading.items == [Refused("sealed")]
    assert (await connected.look(directory)).state == "sealed"
    assert (await read_all(await connected.attach(directory, 0))).items == [Refused("sealed")]
    assert await connected.seal(directory) == "sealed"
    assert not (shell_host.home / "ran").exists()


async def test_a_second_start_in_the_same_folder_is_refused(connected: Connection, shell_host: Host) -> None:
    directory = shell_host.new_directory()
    await run(connected, directory, "echo once >> twice")

    assert (await run(connected, directory, "echo once >> twice")).items == [Refused("taken")]
    assert await connected.seal(directory) == "taken"
    assert (shell_host.home / "twice").read_text() == "once\n"
    (shell_host.home / "twice").unlink()


async def test_of_two_starts_at_once_one_runs_and_the_other_is_refused(
    shell_host: Host, tmp_path: Path
) -> None:
    """The first has seen that the folder is free when the second takes it."""
    real = f"{need('busybox')} mv" if "busybox" in shell_host.spec.shell else need("mv")
    wait = f'touch {tmp_path}/late; until [ -e "$2" ]; do sleep 0.05; done'
    (tmp_path / "mv").write_text(f'#!/bin/sh\ncase $2 in */run) {wait} ;; esac\nexec {real} "$@"\n')
    (tmp_path / "mv").chmod(0o755)
    shell = shell_host.spec.shell.replace("PATH=", f"PATH={tmp_path}:", 1)
    late, quick = await shell_host.with_shell(shell).connect(), await shell_host.connect()
    directory = shell_host.new_directory()

    refused = asyncio.create_task(run(late, directory, "echo once >> twice"))
    await aeventually((tmp_path / "late").exists)
    assert (await run(quick, directory, "echo once >> twice")).ended.code == 0
    assert (await refused).items == [Refused("taken")]

    assert (shell_host.home / "twice").read_text() == "once\n"
    (shell_host.home / "twice").unlink()
    assert not list(shell_host.run_folder(directory).glob("new.*"))
    for connection in (late, quick):
        await connection.close()


async def test_a_look_that_finds_a_hung_start_makes_it_void(connected: Connection, shell_host: Host) -> None:
    directory = shell_host.new_directory()
    folder = shell_host.run_folder(directory)
    folder.mkdir(parents=True)
    for name in ("journal", "control", "env"):
        (folder / name).touch()
    (folder / "waiting").write_text("touch ran")
    (folder / "starter").write_text("4194999 1\n")

    assert (await connected.look(directory)).state == "unstarted"
    command = f"{shell_host.spec.shell} {runner.runner_path()} supervise {directory} 1000 10 line 0022"
    subprocess.run(command, shell=True, cwd=shell_host.home, env={**os.environ, "HOME": str(shell_host.home)})

    assert (folder / "control").read_text() == ""
    assert not (shell_host.home / "ran").exists()
    assert (await read_all(await connected.attach(directory, 0))).items == [Gone("unstarted")]
    assert await connected.stop(directory, 1) == StopAnswer("stopped", "sealed")


async def test_bad_names_and_values_are_refused_before_anything_is_sent(
    connected: Connection, shell_host: Host
) -> None:
    for env in ({"A B": "1"}, {"X=1;touch ran;Y": "1"}, {"A": "\0"}):
        with pytest.raises(RunnerError):
            await start(connected, shell_host.new_directory(), "true", env=env)


# The runner itself


async def test_the_runner_is_put_on_a_host_when_missing(fresh_home: Host) -> None:
    connection = await fresh_home.connect()
    assert (await connection.look(fresh_home.new_directory())).state == "missing"
    (path,) = (fresh_home.home / ".rollcast").iterdir()
    text, digest = runner.runner_file()
    assert path.name == f"runner-{digest}.sh"
    assert path.read_bytes() == text
    path.unlink()
    assert (await run(connection, fresh_home.new_directory(), "echo on")).data == b"on\n"
    await connection.close()


async def test_a_host_without_a_place_to_write_says_so(fresh_home: Host) -> None:
    (fresh_home.home / ".rollcast").write_text("in the way")
    connection = await fresh_home.connect()
    with pytest.raises(RunnerError, match=r"cannot be put in ~/\.rollcast"):
        await start(connection, fresh_home.new_directory(), "true")
    await connection.close()


async def test_a_host_without_setsid_says_so(local: Host, tmp_path: Path) -> None:
    for tool in ("sh", "cat", "mkdir", "rm", "env", "head", "sha256sum", "mv"):
        (tmp_path / tool).symlink_to(need(tool))
    connection = await local.with_shell(f"env PATH={tmp_path} sh").connect()
    with pytest.raises(RunnerError, match="setsid"):
        await run(connection, local.new_directory(), "true")
    await connection.close()


async def test_a_host_without_the_shell_says_so(local: Host) -> None:
    connection = await local.with_shell("no-such-shell").connect()
    with pytest.raises(RunnerError, match="no-such-shell"):
        await connection.look(local.new_directory())
    await connection.close()


async def test_a_closed_connection_is_contact_lost(local: Host) -> None:
    connection = await local.connect()
    directory = local.new_directory()
    attachment = await begin(connection, directory, local.gate(directory))
    await connection.close()
    with pytest.raises(ContactLost):
        await read_all(attachment)
    local.open_gate(directory)
    with pytest.raises(ContactLost):
        await connection.look(directory)
