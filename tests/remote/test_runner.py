"""What the runner decides on the host, whoever calls it: on this machine, with every shell."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollcast.remote import runner
from rollcast.remote.connector import (
    Connection,
    Ended,
    Gone,
    LimitReached,
    Missing,
    Output,
    Refused,
    StopAnswer,
    TimedOut,
)
from rollcast.remote.errors import ContactLost, RunnerError
from rollcast.remote.journal import STDERR
from tests.remote.hosts import Host
from tests.remote.steps import begin, read_all, read_until, run, start
from tests.waiting import aeventually, eventually

ANOTHER_BOOT = "00000000-0000-4000-8000-000000000000"


# Starting


@pytest.mark.parametrize("sent_bytes", [0, 1, 20, -1])
async def test_a_start_that_was_cut_runs_nothing(
    connected: Connection, shell_host: Host, sent_bytes: int
) -> None:
    directory = shell_host.new_directory()
    sent, env_bytes = runner.start_input({"A": "1"}, b"touch ran; rm -rf keep/old\n", "utf-8")
    arguments = runner.start_arguments(
        directory, sent, env_bytes, max_output=1000, timeout_s=10, buffering="line"
    )
    pipe, _read = await connected.call("start", *arguments)  # type: ignore[attr-defined]  # below the contract
    await pipe.send(sent[:sent_bytes])
    pipe.send_eof()

    said = b""
    while (got := await pipe.inbox.get()) is not None:
        said += got[1] if got[0] == STDERR else b""
    await pipe.close()

    assert said.endswith(b"short\n")
    assert not (shell_host.home / "ran").exists()
    assert await connected.seal(directory) == "sealed"


async def test_a_start_with_other_bytes_runs_nothing(connected: Connection, shell_host: Host) -> None:
    directory = shell_host.new_directory()
    sent, env_bytes = runner.start_input({}, b"touch ran\n", "utf-8")
    arguments = runner.start_arguments(
        directory, sent, env_bytes, max_output=1000, timeout_s=10, buffering="line"
    )
    pipe, read = await connected.call("start", *arguments)  # type: ignore[attr-defined]  # below the contract
    await pipe.send(sent.replace(b"ran", b"RAN"))
    words = [data for stream, data in read if stream == STDERR]
    await aeventually(lambda: _said(pipe, words, b"short"))
    await pipe.close()

    assert (await connected.look(directory)).state == "missing"


async def _said(pipe: object, words: list[bytes], word: bytes) -> bool:
    got = await pipe.inbox.get()  # type: ignore[attr-defined]  # a Pipe
    words.extend([got[1]] if got is not None else [])
    return word in b"".join(words)


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


async def test_a_look_that_finds_a_hung_start_makes_it_void(connected: Connection, shell_host: Host) -> None:
    directory = shell_host.new_directory()
    folder = shell_host.run_folder(directory)
    folder.mkdir(parents=True)
    for name in ("journal", "control", "env"):
        (folder / name).touch()
    (folder / "script").write_text("touch ran")
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
            await start(connected, shell_host.new_directory(), "true", env)


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
    as_is = await run(connected, shell_host.new_directory(), script, buffering="as-is")
    line = await run(connected, shell_host.new_directory(), script)
    assert as_is.data == b"none none\n"
    assert line.data.startswith(b"1 ")


# How steps end


async def test_killing_its_own_group_is_recorded(connected: Connection, shell_host: Host) -> None:
    by_trap = await run(connected, shell_host.new_directory(), 'trap "kill 0" EXIT; echo bye; exit 0')
    by_kill = await run(connected, shell_host.new_directory(), "echo bye; kill -s KILL 0")
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

    async def now_bytes() -> int | None:
        return (await connected.look(directory)).now_bytes

    async def all_there() -> bool:
        return await now_bytes() == 9

    await aeventually(all_there)
    look = await connected.look(directory)
    assert (look.bytes, look.sha256) == (4, reading.ended.sha256)


async def test_too_much_output_ends_the_step(connected: Connection, shell_host: Host) -> None:
    script = "yes 0123456789 | head -c 300000; trap '' TERM; while :; do sleep 1; done"
    reading = await run(connected, shell_host.new_directory(), script, max_output=100_000)
    assert reading.items[1:] == [LimitReached(300_000), Ended(137, 300_000, reading.sha256)]


async def test_a_burst_over_the_limit_just_before_the_end_is_told_too(
    connected: Connection, shell_host: Host
) -> None:
    reading = await run(connected, shell_host.new_directory(), "yes | head -c 3000", max_output=1000)
    assert reading.items[1:] == [LimitReached(3000), Ended(0, 3000, reading.sha256)]


async def test_a_nearly_full_disk_ends_a_writing_step(
    shell_host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "df"
    fake.write_text(
        "#!/bin/sh\necho Filesystem 1024-blocks Used Available Capacity Mounted on\n"
        "echo /dev/x 1000 951 49 95% /\n"
    )
    fake.chmod(0o755)
    shell = shell_host.spec.shell.replace("PATH=", f"PATH={tmp_path}:", 1)
    connection = await shell_host.with_shell(shell).connect()

    loud = await run(
        connection, shell_host.new_directory(), "yes | head -c 2000000; while :; do sleep 1; done"
    )
    quiet = await run(connection, shell_host.new_directory(), "echo tidying up; sleep 1.5")

    assert loud.items[1:] == [LimitReached(2_000_000), Ended(143, len(loud.data), loud.sha256)]
    assert quiet.ended.code == 0
    await connection.close()


async def test_the_host_ends_a_step_that_takes_too_long_without_contact(
    connected: Connection, shell_host: Host
) -> None:
    directory = shell_host.new_directory()
    attachment = await begin(connected, directory, "echo on; sleep 100 & sleep 100", timeout_s=1)
    await attachment.aclose()

    async def ended() -> bool:
        return (await connected.look(directory)).state == "ended"

    await aeventually(ended)
    reading = await read_all(await connected.attach(directory, 0))

    assert TimedOut(1) in reading.items
    assert reading.ended.code == 143
    eventually(lambda: not processes_of(directory))


# Stopping


async def test_stop_ends_a_family_that_ignores_term(connected: Connection, shell_host: Host) -> None:
    directory = shell_host.new_directory()
    script = "trap '' TERM; (while :; do sleep 0.2; done) & echo on; while :; do sleep 0.2; done"
    attachment = await begin(connected, directory, script)
    await read_until(attachment, b"on\n")

    assert await connected.stop(directory, 0) == StopAnswer("stopped")

    reading = await read_all(attachment_rest(attachment))
    assert reading.ended.code == 137
    eventually(lambda: not processes_of(directory))
    assert (await connected.stop(directory, 0)).evidence == "already_ended"


def attachment_rest(attachment: object) -> object:
    """The rest of a half-read attachment, its offsets counted from here."""

    async def rest() -> object:
        async for item in attachment:  # type: ignore[attr-defined]  # an Attachment
            if not isinstance(item, Output):
                yield item

    return rest()


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
    attachment = await begin(connected, directory, "while [ ! -e go ]; do sleep 0.1; done; rm go; echo done")
    eventually(lambda: followers_of(directory))

    await attachment.aclose()

    eventually(lambda: not followers_of(directory))
    assert (await connected.look(directory)).state == "alive"
    (shell_host.home / "go").touch()
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
    attachment = await begin(connected, directory, "while [ ! -e enough ]; do sleep 0.1; done; rm enough")
    with pytest.raises(RunnerError, match="alive"):
        await connected.clean(directory)
    (shell_host.home / "enough").touch()
    await read_all(attachment_rest(attachment))

    await connected.clean(directory)

    assert not (shell_host.run_folder(directory) / "journal").exists()
    assert isinstance((await read_all(await connected.attach(directory, 0))).last, Missing)
    assert (await run(connected, directory, "touch ran")).items == [Refused("taken")]


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


async def test_a_host_without_the_shell_says_so(local: Host) -> None:
    connection = await local.with_shell("no-such-shell").connect()
    with pytest.raises(RunnerError, match="no-such-shell"):
        await connection.look(local.new_directory())
    await connection.close()


async def test_a_closed_connection_is_contact_lost(local: Host) -> None:
    connection = await local.connect()
    directory = local.new_directory()
    attachment = await begin(connection, directory, "sleep 1")
    await connection.close()
    with pytest.raises(ContactLost):
        await read_all(attachment)
    with pytest.raises(ContactLost):
        await connection.look(directory)


def processes_of(directory: str) -> list[int]:
    """Living processes that name the step's folder in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if directory.encode() in words and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def followers_of(directory: str) -> list[int]:
    return [pid for pid in processes_of(directory) if b"journal" in _words(pid) or b"control" in _words(pid)]


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def stat_of(pid: int) -> list[str]:
    """State, parent, … start time (the twentieth) of a process."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
