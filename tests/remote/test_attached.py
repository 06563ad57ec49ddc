"""Steps on a host where nothing can be written: /proc is a home in which even root makes no folder."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from rollcast.remote.attached import AttachedStep, EndMark, attached_items, new_end_mark, start_command
from rollcast.remote.connection import RunnerConnection
from rollcast.remote.connector import (
    Connection,
    ConnectOptions,
    Ended,
    Gone,
    LimitReached,
    Output,
    Refused,
    Started,
    StopAnswer,
    TimedOut,
)
from rollcast.remote.connectors import open_connection
from rollcast.remote.errors import ContactLost, ForcedCommand, NothingWritable, RunnerError, UploadRefused
from rollcast.remote.journal import MAX_NOISE
from rollcast.remote.pipe import Pipe
from tests.missing import need
from tests.remote.hosts import OPTIONS, Host, openssh_host
from tests.remote.processes import is_alive, processes_of
from tests.remote.steps import Reading, read_all, read_until, run
from tests.waiting import aeventually

NOWHERE = Path("/proc")
AWKWARD = """it's "$(touch /tmp/never)" `id` \\ 第一行\n*"""


@pytest.fixture(params=["local", "sshd"])
def barren(
    request: pytest.FixtureRequest, shell_host: Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """A host with a home that nobody can write to, reached in two ways, with every shell."""
    if request.param == "local":
        yield replace(shell_host, spec=replace(shell_host.spec, home=str(NOWHERE)))
        return
    with openssh_host(tmp_path_factory.mktemp("barren"), home=NOWHERE) as host:
        yield host.with_shell(shell_host.spec.shell)


@pytest.fixture
async def connection(barren: Host) -> AsyncIterator[Connection]:
    made = await barren.connect()
    yield made
    await made.close()


@pytest.fixture
def directory(local: Host) -> str:
    return local.new_directory()


async def begin(
    connection: Connection, directory: str, script: str | bytes, timeout_s: float = 60, limit: int = 10**9
) -> AttachedStep:
    step = await connection.start_attached(
        directory,
        {"WORDS": AWKWARD},
        script.encode() if isinstance(script, str) else script,
        timeout_s=timeout_s,
        max_output=limit,
    )
    assert isinstance(step, AttachedStep)
    return step


async def read(connection: Connection, directory: str, script: str | bytes) -> Reading:
    return await read_all(attached_items(await begin(connection, directory, script)))


async def first_pid(step: AttachedStep) -> int:
    item = await anext(step)
    assert isinstance(item, Started)
    return item.pid


async def test_detaching_is_refused_by_its_own_error(connection: Connection, directory: str) -> None:
    with pytest.raises(NothingWritable, match="rollcast"):
        await connection.start(directory, {}, b"touch /tmp/never", timeout_s=1, max_output=1)
    with pytest.raises(UploadRefused):
        await connection.upload(directory, __file__, "there", "0" * 64, 0o644, lambda _sent, _total: None)


async def test_a_step_says_everything_in_order_and_ends(connection: Connection, directory: str) -> None:
    script = 'echo on; echo err >&2; printf %s "$WORDS"; seq 1 20000; (exit 7)'
    reading = await read(connection, directory, script)
    lines = "".join(f"{n}\n" for n in range(1, 20001))
    assert reading.data.decode() == f"on\nerr\n{AWKWARD}{lines}"
    assert reading.ended == Ended(7, len(reading.data), reading.sha256)
    assert sum(isinstance(item, Started) for item in reading.items) == 1


async def test_a_step_finds_what_a_detached_one_does(connection: Connection, directory: str) -> None:
    """No stdin, no arguments, no `set -u`, signals that can be trapped, and its last newlines."""
    script = "cat; echo $# $unset; trap 'echo int; exit 5' INT; kill -INT $$; sleep 9\n\n\n"
    reading = await read(connection, directory, script)
    assert (reading.data, reading.ended.code) == (b"0\nint\n", 5)


async def test_a_step_may_signal_its_own_group(connection: Connection, directory: str) -> None:
    for name in ("USR1", "TERM"):
        script = f"trap 'echo got' {name}; kill -s {name} 0; echo after; exit 4"
        reading = await read(connection, directory, script)
        assert (reading.data, reading.ended.code) == (b"got\nafter\n", 4)


async def test_no_value_stands_in_a_command_line(connection: Connection, directory: str) -> None:
    step = await begin(connection, directory, "echo on; sleep 30")
    await read_until(step, b"on\n")
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            assert "第一行".encode() not in entry.read_bytes()
    await step.aclose()


async def test_a_start_that_was_cut_runs_nothing(
    connection: Connection, directory: str, tmp_path: Path
) -> None:
    assert isinstance(connection, RunnerConnection)
    script = f"touch {tmp_path}/ran\n".encode() * 200
    for sent in (0, 1, len(script) // 2, len(script) - 1):
        mark = new_end_mark()
        command = start_command(connection.spec.shell, directory, script, script, mark, "line")
        pipe = await connection.open_pipe(command)
        await pipe.send(script[:sent])
        pipe.send_eof()
        step = AttachedStep(pipe, "here", mark, timeout_s=9, max_output=999)
        assert (await read_all(attached_items(step))).items == [Refused("short")]
    assert not (tmp_path / "ran").exists()


async def test_a_start_that_is_not_permitted_any_more_is_not_sent(
    connection: Connection, directory: str, tmp_path: Path
) -> None:
    with pytest.raises(ContactLost, match="was not sent"):
        await connection.start_attached(
            directory,
            {},
            f"touch {tmp_path}/ran".encode(),
            timeout_s=9,
            max_output=9,
            permitted=lambda: False,
        )
    await aeventually(lambda: not processes_of(directory))
    assert not (tmp_path / "ran").exists()


async def test_a_step_ends_with_its_channel(connection: Connection, directory: str) -> None:
    step = await begin(connection, directory, "trap '' HUP PIPE; sleep 300 & echo $!; wait")
    pid = await first_pid(step)
    child = int(await read_until(step, b"\n"))
    await step.aclose()
    await aeventually(lambda: not is_alive(pid) and not is_alive(child))


async def test_a_channel_that_goes_before_the_step_is_there_ends_it(
    shell_host: Host, directory: str, tmp_path: Path
) -> None:
    slow = tmp_path / "setsid"
    slow.write_text(f'#!/bin/sh\nsleep 0.5\ntrue > {tmp_path}/begun\nexec {need("setsid")} "$@"\n')
    slow.chmod(0o755)
    shell = shell_host.spec.shell.replace("PATH=", f"PATH={tmp_path}:", 1)
    connection = await shell_host.with_shell(shell).connect()
    assert isinstance(connection, RunnerConnection)
    script = b"sleep 20"
    command = start_command(shell, directory, script, script, new_end_mark(), "line")
    pipe = await connection.open_pipe(command)
    await pipe.send(script)
    pipe.send_eof()
    await aeventually((tmp_path / "begun").exists)
    await aeventually(lambda: not processes_of(directory), deadline_s=8)
    await pipe.close()
    await connection.close()


async def test_a_lost_contact_is_told_behind_all_output(barren: Host, directory: str) -> None:
    connection = await barren.connect()
    step = await begin(connection, directory, "echo on; sleep 300")
    pid = await first_pid(step)
    data = await anext(step)
    await connection.close()
    assert [data, *[item async for item in attached_items(step)]] == [
        Output(b"on\n", 3),
        Gone("attached_lost"),
    ]
    connection = await barren.connect()
    assert (await connection.stop_attached(directory, 0)).evidence in {"stopped", "already_ended"}
    assert not is_alive(pid)
    await connection.close()


async def test_stop_ends_a_family_that_ignores_term(connection: Connection, directory: str) -> None:
    step = await begin(connection, directory, "trap '' TERM; sleep 300 & echo $!; wait; wait")
    child = int(await read_until(step, b"\n"))
    assert await connection.stop_attached(directory, 0) == StopAnswer("stopped")
    assert not is_alive(child)
    assert (await read_all(attached_items(step))).ended.code == 137
    assert await connection.stop_attached(directory, 0) == StopAnswer("already_ended")


async def test_a_step_that_became_another_program_is_found(connection: Connection, directory: str) -> None:
    script = "echo on; exec env -i /bin/sleep 300"
    step = await begin(connection, directory, script)
    pid = await first_pid(step)
    await aeventually(lambda: b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes())
    assert await connection.stop_attached(directory, 0) == StopAnswer("stopped")
    assert not is_alive(pid)
    assert (await read_all(attached_items(step))).ended.code in {137, 143}
    step = await begin(connection, directory, script)
    pid = await first_pid(step)
    await aeventually(lambda: b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes())
    await step.aclose()
    await aeventually(lambda: not is_alive(pid))


async def test_what_a_step_leaves_on_purpose_stays(connection: Connection, directory: str) -> None:
    reading = await read(connection, directory, "sleep 300 & echo $!")
    child = int(reading.data)
    try:
        assert reading.ended.code == 0
        assert await connection.stop_attached(directory, 0) == StopAnswer("already_ended")
        assert is_alive(child)
    finally:
        os.kill(child, signal.SIGKILL)


async def test_time_and_output_are_bounded(connection: Connection, directory: str) -> None:
    slow = await read_all(attached_items(await begin(connection, directory, "sleep 300", timeout_s=0.2)))
    first, second, last = slow.items  # on a busy machine the time may be up before the start is told
    assert TimedOut(1) in (first, second)
    assert {type(first), type(second)} == {Started, TimedOut}
    assert last == slow.ended
    loud = await read_all(attached_items(await begin(connection, directory, "yes", limit=100_000)))
    assert isinstance(loud.items[1], LimitReached)
    assert loud.ended.code in (141, 143)


async def test_shells_are_obeyed_and_others_refused(connection: Connection, directory: str) -> None:
    script = "#!/bin/bash -e\necho ${BASH_VERSION%%.*}; false; echo never\n"
    reading = await read(connection, directory, script)
    assert reading.ended.code == 1
    assert int(reading.data) >= 4
    for other in (b"#!/usr/bin/env python3\n", b"#!/usr/bin/perl -w\n", b"#!\n", b"\0"):
        with pytest.raises(RunnerError, match="need a file"):
            await begin(connection, directory, other)


def test_the_end_mark_is_found_wherever_it_is_cut() -> None:
    mark = "--rollcast-end-1"
    whole = b"out --rollcast-end-2 --roll" + mark.encode() + b" 12\nlater"
    for cut in range(len(whole)):
        reader, data = EndMark(mark), b""
        codes: list[int] = []
        for part in (whole[:cut], whole[cut:]):
            if not codes:
                output, code = reader.feed(part)
                data += output
                codes += [code] if code is not None else []
        assert (data, codes) == (b"out --rollcast-end-2 --roll", [12])


async def test_a_file_in_the_way_is_no_reason_to_run_attached(fresh_home: Host) -> None:
    (fresh_home.home / ".rollcast").write_text("a file")
    connection = await fresh_home.connect()
    with pytest.raises(RunnerError, match="File exists") as refused:
        await connection.look("d")
    assert not isinstance(refused.value, NothingWritable)
    await connection.close()


# Forced commands

Forced = Callable[[str], Host]


@pytest.fixture
def forced(tmp_path: Path) -> Iterator[Forced]:
    """Debian's sshd that runs this command, whatever is asked."""
    with ExitStack() as servers:
        yield lambda command: servers.enter_context(
            openssh_host(tmp_path / "forced", also=f"ForceCommand {command}")
        )


async def test_a_forced_command_that_passes_ours_on_is_like_none(forced: Forced) -> None:
    host = forced('sh -c "$SSH_ORIGINAL_COMMAND"')
    connection = await host.connect()
    reading = await run(connection, host.new_directory(), "echo on; exit 3")
    assert (reading.data, reading.ended.code) == (b"on\n", 3)
    await connection.close()


async def test_a_forced_command_that_never_ends_is_not_read_for_ever(
    forced: Forced, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await forced("yes").connect()
    assert isinstance(connection, RunnerConnection)
    opened, taken = connection.open_pipe, 0

    async def counted(command: str) -> Pipe:
        pipe = await opened(command)
        get = pipe.inbox.get

        async def count() -> tuple[int, bytes] | None:
            nonlocal taken
            got = await get()
            taken += len(got[1]) if got else 0
            return got

        monkeypatch.setattr(pipe.inbox, "get", count)
        return pipe

    monkeypatch.setattr(connection, "open_pipe", counted)
    with pytest.raises(ForcedCommand, match="said: y y y"):
        await connection.look("d")
    assert taken < 2 * MAX_NOISE
    await connection.close()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("echo Go away", "said: Go away"),
        ("true", "said: nothing"),
        ("cat > /dev/null", "said: nothing"),  # waits for its stdin
        ("internal-sftp", "sftp connections only"),
    ],
)
async def test_a_forced_command_is_recognised(forced: Forced, command: str, said: str) -> None:
    host = forced(command)
    options = OPTIONS if "cat" not in command else ConnectOptions(answer_timeout_s=0.5)
    connection = await open_connection(host.spec, options)
    with pytest.raises(ForcedCommand, match=said) as refused:
        await connection.start(host.new_directory(), {}, b"echo on", timeout_s=9, max_output=9)
    assert "SSH_ORIGINAL_COMMAND" in refused.value.message
    await connection.close()
