"""What a step sees on the host, and how its end is recorded, with every shell."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from pathlib import Path

import pytest

from rollcast.remote.connector import (
    Connection,
    Ended,
    LimitReached,
    TimedOut,
)
from tests.remote.hosts import Host
from tests.remote.processes import processes_of
from tests.remote.steps import begin, read_all, read_until, run, until_ended
from tests.waiting import eventually

ANOTHER_BOOT = "00000000-0000-4000-8000-000000000000"


# What a step sees


async def test_parameters_named_like_our_variables_harm_nobody(
    connected: Connection, shell_host: Host
) -> None:
    env = {"RUN": "a", "DIR": "b", "SCRIPT": "c", "rc_run": "d", "rc_env": "e"}
    reading = await run(
        connected, shell_host.new_directory(), 'echo "$RUN$DIR$SCRIPT$rc_run$rc_env"', env=env
    )
    assert reading.data == b"abcde\n"


async def test_a_step_sees_the_users_umask_and_default_signals(
    connected: Connection, shell_host: Host
) -> None:
    before = os.umask(0o027)
    try:
        signals = "import signal as s; print(s.getsignal(2), s.getsignal(3) == s.SIG_DFL)"
        script = f"umask; {sys.executable} -c '{signals}'; kill -s INT $$; echo deaf"
        reading = await run(connected, shell_host.new_directory(), script)
    finally:
        os.umask(before)
    assert reading.data.splitlines()[0] in (b"0027", b"027")
    assert b"default_int_handler" in reading.data
    assert b" True\n" in reading.data
    assert b"deaf" not in reading.data
    assert reading.ended.code == 130


async def test_a_script_with_an_interpreter_runs_by_it_and_is_live(
    connected: Connection, shell_host: Host
) -> None:
    gate = shell_host.home / f"gate-{os.getpid()}"
    os.mkfifo(gate)
    script = f"#!{sys.executable}\nprint('first')\nopen({str(gate)!r}).read()\nprint('second')\n"
    attachment = await begin(connected, shell_host.new_directory(), script)

    assert await read_until(attachment, b"first\n") == b"first\n"
    gate.write_text("")
    assert await read_until(attachment, b"second\n") == b"second\n"
    await attachment.aclose()
    gate.unlink()


async def test_buffering_as_is_leaves_the_environment_alone(
    connected: Connection, shell_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    script = 'echo "${PYTHONUNBUFFERED-none} ${LD_PRELOAD-none}"'
    as_is, line = await asyncio.gather(
        run(connected, shell_host.new_directory(), script, buffering="as-is"),
        run(connected, shell_host.new_directory(), script),
    )
    assert as_is.data == b"none none\n"
    assert line.data.startswith(b"1 ")


# How steps end


async def test_killing_its_own_group_is_recorded(connected: Connection, shell_host: Host) -> None:
    by_trap, by_kill = await asyncio.gather(
        run(connected, shell_host.new_directory(), 'trap "kill 0" EXIT; echo bye; exit 0'),
        run(connected, shell_host.new_directory(), "echo bye; kill -s KILL 0"),
    )
    assert (by_trap.data, by_trap.ended.code) == (b"bye\n", 143)
    assert (by_kill.data, by_kill.ended.code) == (b"bye\n", 137)


async def test_closing_stdout_does_not_end_a_step(connected: Connection, shell_host: Host) -> None:
    reading = await run(connected, shell_host.new_directory(), "echo on; exec >&- 2>&-; sleep 0.3; exit 9")
    assert (reading.data, reading.ended.code) == (b"on\n", 9)


async def test_what_a_child_writes_after_the_end_is_counted_apart(
    connected: Connection, shell_host: Host
) -> None:
    directory = shell_host.new_directory()
    gate = shell_host.home / f"late-{os.getpid()}"
    os.mkfifo(gate)
    reading = await run(connected, directory, f"(read x < {gate}; echo late) & echo now")
    assert reading.ended == Ended(0, 4, hashlib.sha256(b"now\n").hexdigest())
    gate.write_text("x\n")
    gate.unlink()

    eventually(lambda: (shell_host.run_folder(directory) / "journal").stat().st_size == 9)
    look = await connected.look(directory)
    assert (look.bytes, look.now_bytes, look.sha256) == (4, 9, reading.ended.sha256)


async def test_too_much_output_ends_the_step(connected: Connection, shell_host: Host) -> None:
    script = "yes 0123456789 | head -c 300000; trap '' TERM; while :; do sleep 1; done"
    reading = await run(connected, shell_host.new_directory(), script, max_output=100_000)
    assert reading.items[1:] == [LimitReached(300_000), Ended(137, 300_000, reading.sha256)]


async def test_a_burst_over_the_limit_just_before_the_end_is_told_too(
    connected: Connection, shell_host: Host
) -> None:
    reading = await run(connected, shell_host.new_directory(), "yes | head -c 3000", max_output=1000)
    assert reading.items[1:] == [LimitReached(3000), Ended(0, 3000, reading.sha256)]


async def test_a_nearly_full_disk_ends_a_writing_step(shell_host: Host, tmp_path: Path) -> None:
    fake = tmp_path / "df"
    fake.write_text(
        "#!/bin/sh\necho Filesystem 1024-blocks Used Available Capacity Mounted on\n"
        "echo /dev/x 1000 951 49 95% /\n"
    )
    fake.chmod(0o755)
    shell = shell_host.spec.shell.replace("PATH=", f"PATH={tmp_path}:", 1)
    connection = await shell_host.with_shell(shell).connect()

    loud, quiet = await asyncio.gather(
        run(connection, shell_host.new_directory(), "yes | head -c 2000000; while :; do sleep 1; done"),
        run(connection, shell_host.new_directory(), "echo tidying up; sleep 1.5"),
    )

    assert loud.items[1:] == [LimitReached(2_000_000), Ended(143, len(loud.data), loud.sha256)]
    assert quiet.ended.code == 0
    await connection.close()


async def test_the_host_ends_a_step_that_takes_too_long_without_contact(
    connected: Connection, shell_host: Host
) -> None:
    directory = shell_host.new_directory()
    attachment = await begin(connected, directory, "echo on; sleep 100 & sleep 100", timeout_s=1)
    await attachment.aclose()
    await until_ended(connected, directory)
    reading = await read_all(await connected.attach(directory, 0))

    assert TimedOut(1) in reading.items
    assert reading.ended.code == 143
    eventually(lambda: not processes_of(directory))
