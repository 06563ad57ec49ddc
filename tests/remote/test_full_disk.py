"""A host on which nothing more can be written: what runs is found and ended, and nothing runs unseen."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rollcast.remote import runner
from rollcast.remote.connector import Connection, StopAnswer
from rollcast.remote.errors import RunnerError
from tests.missing import need
from tests.remote.hosts import Host
from tests.remote.processes import processes_of
from tests.remote.steps import begin, last_of, read_until, run
from tests.waiting import eventually

ON = "echo on; while :; do sleep 0.2; done"


@pytest.fixture
async def tool_less(shell_host: Host, tmp_path: Path) -> AsyncIterator[Connection]:
    """A connection to a host that cannot make a folder: no inode is free."""
    (tmp_path / "mkdir").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "mkdir").chmod(0o755)
    shell = shell_host.spec.shell.replace("PATH=", f"PATH={tmp_path}:", 1)
    connection = await shell_host.with_shell(shell).connect()
    yield connection
    await connection.close()


async def test_a_step_without_a_record_of_itself_is_found_and_stopped(
    connected: Connection, shell_host: Host
) -> None:
    directory = shell_host.new_directory()
    attachment = await begin(connected, directory, ON)
    await read_until(attachment, b"on\n")
    (shell_host.run_folder(directory) / "step").write_text("")

    assert await connected.stop(directory, 1) == StopAnswer("stopped")

    await last_of(attachment)
    eventually(lambda: not processes_of(directory))


async def test_a_step_that_nobody_can_name_is_not_taken_for_stopped(
    connected: Connection, shell_host: Host
) -> None:
    directory = shell_host.new_directory()
    attachment = await begin(connected, directory, ON)
    await read_until(attachment, b"on\n")
    folder = shell_host.run_folder(directory)
    record = (folder / "step").read_text()
    (folder / "step").write_text(record.strip())  # cut: its newline is missing
    os.kill(int((folder / "supervisor").read_text().split()[0]), 9)

    assert (await connected.look(directory)).state == "alive"
    assert await connected.stop(directory, 1) == StopAnswer("unconfirmed")

    (folder / "step").write_text(record)
    assert await connected.stop(directory, 1) == StopAnswer("stopped")
    await attachment.aclose()


@pytest.mark.parametrize("name", ["supervisor", "step", "control"])
async def test_a_step_that_cannot_be_written_down_does_not_run(
    connected: Connection, shell_host: Host, name: str
) -> None:
    directory = shell_host.new_directory()
    folder = shell_host.run_folder(directory)
    folder.mkdir(parents=True)
    for other in ("journal", "control", "env"):
        (folder / other).touch()
    (folder / "waiting").write_text("touch ran")
    (folder / "starter").write_text("4194999 1\n")
    (folder / name).unlink(missing_ok=True)
    if name == "control":
        (folder / name).mkdir()  # the runner reads it, and /dev/full has no end
    else:
        (folder / name).symlink_to("/dev/full")
    assert await connected.seal(directory) == "taken"

    command = f"{shell_host.spec.shell} {runner.runner_path()} supervise {directory} 1000 10 line 0022"
    environment = {**os.environ, "HOME": str(shell_host.home)}
    said = subprocess.run(command, shell=True, cwd=shell_host.home, env=environment, capture_output=True)

    assert not (shell_host.home / "ran").exists()
    assert said.stdout.decode() == f"failed cannot write in {folder}\n"
    assert (folder / "journal").read_text() == ""
    assert (await connected.look(directory)).state == "sealed"
    assert await connected.seal(directory) == "sealed"


async def test_a_refused_start_is_told_and_sealed(shell_host: Host, tmp_path: Path) -> None:
    # The second setsid is the supervisor's own, for the step: it fails.
    real = f"{need('busybox')} setsid" if "busybox" in shell_host.spec.shell else need("setsid")
    (tmp_path / "setsid").write_text(
        f'#!/bin/sh\ncase "$*" in *" step "*) exit 1 ;; esac\nexec {real} "$@"\n'
    )
    (tmp_path / "setsid").chmod(0o755)
    shell = shell_host.spec.shell.replace("PATH=", f"PATH={tmp_path}:", 1)
    connection = await shell_host.with_shell(shell).connect()
    directory = shell_host.new_directory()

    with pytest.raises(RunnerError, match="cannot start another process"):
        await run(connection, directory, "touch ran")

    assert await connection.seal(directory) == "sealed"
    assert (await connection.look(directory)).state == "sealed"
    await connection.close()


async def test_a_step_is_stopped_where_no_folder_can_be_made(
    connected: Connection, tool_less: Connection, shell_host: Host
) -> None:
    directory = shell_host.new_directory()
    attachment = await begin(connected, directory, ON)
    await read_until(attachment, b"on\n")

    assert await tool_less.seal(directory) == "taken"
    assert (await tool_less.look(directory)).state == "alive"
    assert await tool_less.stop(directory, 1) == StopAnswer("stopped")

    await attachment.aclose()
    assert await tool_less.stop(directory, 1) == StopAnswer("stopped")


async def test_a_start_whose_supervisor_died_at_once_is_over(shell_host: Host, tmp_path: Path) -> None:
    (tmp_path / "setsid").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "setsid").chmod(0o755)
    shell = shell_host.spec.shell.replace("PATH=", f"PATH={tmp_path}:", 1)
    connection = await shell_host.with_shell(shell).connect()
    directory = shell_host.new_directory()

    reading = await run(connection, directory, "touch ran")

    assert [str(item) for item in reading.items] == ["Gone(state='unstarted')"]
    assert (shell_host.run_folder(directory) / "void").exists()  # a supervisor that comes late runs nothing
    assert await connection.stop(directory, 1) == StopAnswer("stopped", "sealed")
    assert not (shell_host.home / "ran").exists()
    await connection.close()
