"""What only SSH can do to us: keys, silence, cuts in mid-packet. On the demo's server and on sshd."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from rollcast.remote.connector import Connection, ConnectOptions, Ended, Started
from rollcast.remote.connectors import open_connection
from rollcast.remote.connectors.ssh_keys import key_text
from rollcast.remote.errors import (
    AuthFailed,
    ContactLost,
    HostKeyChanged,
    HostKeyUnknown,
    RemoteError,
    Unreachable,
)
from rollcast.remote.follow import follow
from tests.remote.hosts import OPTIONS, Host, free_port
from tests.remote.processes import followers_of
from tests.remote.proxy import CuttingProxy, cutting_proxy, greeter
from tests.remote.steps import Reading, begin, read_all, run, start, until_ended
from tests.remote.test_matrix import CHINESE, LINES
from tests.waiting import aeventually, eventually

IMPATIENT = ConnectOptions(connect_timeout_s=0.3, login_timeout_s=0.3)


def another_key() -> str:
    return key_text(asyncssh.generate_private_key("ssh-ed25519"))


async def through(host: Host, proxy: CuttingProxy) -> Connection:
    return await open_connection(replace(host.spec, address="127.0.0.1", port=proxy.port), OPTIONS)


# Cuts


async def test_a_connection_cut_at_any_byte_loses_and_repeats_nothing(ssh_host: Host) -> None:
    dice = random.Random(7)
    directory = ssh_host.new_directory()
    reading = Reading()
    started = False
    async with cutting_proxy(ssh_host.spec.port) as proxy:
        while not (reading.items and isinstance(reading.last, Ended)):
            # Some cuts hit the handshake, some the first words of the runner, most the output.
            proxy.down = dice.randrange(500, 12_000) if proxy.cuts < 20 else None
            try:
                connection = await through(ssh_host, proxy)
                try:
                    if not started and (await connection.look(directory)).state == "missing":
                        attachment = await start(connection, directory, CHINESE)
                    else:
                        started = True
                        attachment = await connection.attach(directory, reading.offset)
                    await read_all(attachment, reading)
                finally:
                    await connection.close()
            except (ContactLost, Unreachable):
                continue
        assert proxy.cuts == 20

    expected = "".join(f"第 {n} 行：正在更新游戏服务器，请稍候……\n" for n in range(1, LINES + 1)).encode()
    assert reading.data == expected
    assert reading.ended == Ended(4, len(expected), hashlib.sha256(expected).hexdigest())
    assert len({item for item in reading.items if isinstance(item, Started)}) == 1


async def test_a_start_cut_at_any_byte_runs_whole_or_not_at_all(ssh_host: Host) -> None:
    """What a worker does when no word came back: seal, and start the next attempt only if that came first."""
    dice = random.Random(11)
    script = b"echo ran >> count\n#" + b"x" * 20_000 + b"\n"
    (ssh_host.home / "count").write_text("")
    ran = 0
    for _ in range(12):
        directory = ssh_host.new_directory()
        async with cutting_proxy(ssh_host.spec.port) as proxy:
            proxy.up = dice.randrange(3_000, 32_000)
            with suppress(ContactLost, Unreachable):
                connection = await through(ssh_host, proxy)
                reading = await read_all(await start(connection, directory, script))
                assert isinstance(reading.last, Ended)
        connection = await ssh_host.connect()
        if await connection.seal(directory) == "taken":
            assert (await read_all(await connection.attach(directory, 0))).ended.code == 0
            ran += 1
        assert (ssh_host.home / "count").read_text() == "ran\n" * ran
        await connection.close()
    assert 0 < ran < 12


async def test_a_cut_is_told_at_once_to_all_who_wait(ssh_host: Host) -> None:
    async with cutting_proxy(ssh_host.spec.port) as proxy:
        connection = await through(ssh_host, proxy)
        directory = ssh_host.new_directory()
        attachment = await begin(connection, directory, f"{ssh_host.gate(directory)}; echo done")
        waiting = asyncio.create_task(read_all(attachment))
        proxy.cut_all()
        with pytest.raises(ContactLost):
            await waiting
        assert connection.closed
        with pytest.raises(ContactLost):
            await connection.look(directory)
        await connection.close()

    ssh_host.open_gate(directory)
    connection = await ssh_host.connect()
    assert (await read_all(await connection.attach(directory, 0))).data == b"done\n"
    await connection.close()


async def test_a_host_that_falls_silent_is_contact_lost(ssh_host: Host) -> None:
    """No reset, no end: only the keepalive can know."""
    async with cutting_proxy(ssh_host.spec.port) as proxy:
        spec = replace(ssh_host.spec, address="127.0.0.1", port=proxy.port)
        connection = await open_connection(spec, ConnectOptions(keepalive_s=0.5, keepalive_count=2))
        directory = ssh_host.new_directory()
        attachment = await begin(connection, directory, ssh_host.gate(directory))
        proxy.freeze()
        with pytest.raises(ContactLost):
            await read_all(attachment)
        ssh_host.open_gate(directory)
        await connection.close()


async def test_no_follower_stays_on_the_host_after_a_cut(ssh_host: Host) -> None:
    async with cutting_proxy(ssh_host.spec.port) as proxy:
        connection = await through(ssh_host, proxy)
        directory = ssh_host.new_directory()
        attachment = await begin(connection, directory, ssh_host.gate(directory))
        eventually(lambda: len(followers_of(directory)) >= 2)
        proxy.cut_all()
        with pytest.raises(ContactLost):
            await read_all(attachment)
        await aeventually(lambda: not followers_of(directory))
        await connection.close()
    connection = await ssh_host.connect()
    assert (await connection.look(directory)).state == "alive"
    ssh_host.open_gate(directory)
    await read_all(await connection.attach(directory, 0))
    await connection.close()


# Many things at a time


async def test_one_connection_carries_several_calls_at_once(ssh_host: Host) -> None:
    connection = await ssh_host.connect()
    # sshd takes ten sessions at a time, and the steps' own may still be ending when those of the looks begin.
    directories = [ssh_host.new_directory() for _ in range(5)]
    readings = await asyncio.gather(*(run(connection, d, f"echo {d}") for d in directories))
    assert [reading.data.decode().strip() for reading in readings] == directories
    assert {look.state for look in await asyncio.gather(*map(connection.look, directories))} == {"ended"}
    await connection.close()


async def test_a_held_follower_takes_no_more_than_its_window(ssh_host: Host) -> None:
    connection = await ssh_host.connect()
    directory = ssh_host.new_directory()
    attachment = await begin(connection, directory, "seq 1 1000000; echo end")
    attachment.pause()
    await until_ended(connection, directory)  # the step is not slowed by a follower that is
    attachment.resume()
    reading = await read_all(attachment)
    expected = b"".join(b"%d\n" % n for n in range(1, 1_000_001)) + b"end\n"
    assert reading.sha256 == hashlib.sha256(expected).hexdigest() == reading.ended.sha256
    await connection.close()


async def test_following_looks_when_the_follower_falls_silent(ssh_host: Host) -> None:
    """A follower whose `tail` was killed is silent for ever; the host knows that the step ended."""
    connection = await ssh_host.connect()
    directory = ssh_host.new_directory()
    attachment = await begin(connection, directory, f"echo on; {ssh_host.gate(directory)}; echo off")
    items = follow(connection, directory, 0, attachment=attachment, silence_look_s=0.3)
    reading = Reading()
    reading.add(await anext(items))
    for pid in followers_of(directory):
        if b"tail" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, 9)
    ssh_host.open_gate(directory)

    await read_all(items, reading)

    assert reading.data == b"on\noff\n"
    assert reading.ended.code == 0
    await connection.close()


# Who is it?


async def test_an_unknown_host_is_not_entered_and_shows_its_key(ssh_host: Host) -> None:
    with pytest.raises(HostKeyUnknown) as unknown:
        await open_connection(replace(ssh_host.spec, host_keys=()), OPTIONS)
    assert unknown.value.key == ssh_host.spec.host_keys[0]
    assert "SHA256:" in str(unknown.value)


async def test_a_changed_host_key_is_not_entered_and_shown(ssh_host: Host) -> None:
    for other in (another_key(), key_text(asyncssh.generate_private_key("ecdsa-sha2-nistp256"))):
        with pytest.raises(HostKeyChanged) as changed:
            await open_connection(replace(ssh_host.spec, host_keys=(other,)), OPTIONS)
        assert changed.value.key == ssh_host.spec.host_keys[0]


async def test_one_of_several_pinned_keys_is_enough(ssh_host: Host) -> None:
    keys = (another_key(), *ssh_host.spec.host_keys)
    connection = await open_connection(replace(ssh_host.spec, host_keys=keys), OPTIONS)
    await connection.close()


async def test_a_pinned_key_that_is_none_says_so(ssh_host: Host) -> None:
    with pytest.raises(RemoteError, match="pinned host key"):
        await open_connection(replace(ssh_host.spec, host_keys=("ssh-ed25519 rubbish",)), OPTIONS)


async def test_a_key_that_the_host_does_not_accept(ssh_host: Host, tmp_path: Path) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "other"))
    spec = replace(ssh_host.spec, key_file=str(tmp_path / "other"))
    with pytest.raises(AuthFailed, match="authorized_keys"):
        await open_connection(spec, OPTIONS)


async def test_key_files_that_cannot_be_used_are_named(ssh_host: Host, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no key")
    locked = asyncssh.generate_private_key("ssh-ed25519")
    locked.write_private_key(str(tmp_path / "locked"), format_name="pkcs8-pem", passphrase="secret")
    for name, why in (
        ("absent", "No such file"),
        ("text", "must be a private key"),
        ("locked", "passphrase"),
    ):
        with pytest.raises(AuthFailed, match=why):
            await open_connection(replace(ssh_host.spec, key_file=str(tmp_path / name)), OPTIONS)


# Nobody there


async def test_a_closed_port_is_unreachable(ssh_host: Host) -> None:
    with pytest.raises(Unreachable, match="refused"):
        await open_connection(replace(ssh_host.spec, port=free_port()), OPTIONS)


async def test_an_unknown_name_is_unreachable(ssh_host: Host) -> None:
    with pytest.raises(Unreachable, match="no-such-host"):
        await open_connection(replace(ssh_host.spec, address="no-such-host.invalid"), OPTIONS)


@pytest.mark.parametrize(
    "greeting", [b"", b"SSH-2.0-silent\r\n", b"HTTP/1.1 400 Bad Request\r\n" * 999, None]
)
async def test_a_port_that_speaks_no_ssh_is_unreachable(ssh_host: Host, greeting: bytes | None) -> None:
    async with greeter(greeting) as port:
        spec = replace(ssh_host.spec, address="127.0.0.1", port=port)
        with pytest.raises(Unreachable, match=ssh_host.spec.name) as unreachable:
            await open_connection(spec, IMPATIENT)
    assert len(str(unreachable.value)) > 30


async def test_a_host_that_drops_packets_is_unreachable(ssh_host: Host) -> None:
    """A listener whose queue is full answers no further SYN, as a firewall that drops."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        with pytest.raises(Unreachable, match="did not answer"):
            await open_connection(replace(ssh_host.spec, address="127.0.0.1", port=port), IMPATIENT)
        for filler in fillers:
            filler.close()


async def test_handshakes_at_a_time_are_capped(ssh_host: Host) -> None:
    async with greeter(b"") as port:
        spec = replace(ssh_host.spec, address="127.0.0.1", port=port)
        options = ConnectOptions(connect_timeout_s=0.2, login_timeout_s=0.2, handshakes=2)
        began = asyncio.get_running_loop().time()
        ends = await asyncio.gather(
            *(open_connection(spec, options) for _ in range(6)), return_exceptions=True
        )
    assert all(isinstance(end, Unreachable) for end in ends)
    # Three rounds of two, each of which waits in vain.
    assert asyncio.get_running_loop().time() - began >= 3 * 0.2


async def test_a_connect_that_is_given_up_leaves_no_connection(ssh_host: Host) -> None:
    async with greeter(b"") as port:
        spec = replace(ssh_host.spec, address="127.0.0.1", port=port)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await open_connection(spec, OPTIONS)


# Login scripts


async def test_what_a_login_script_prints_is_no_output(ssh_host: Host) -> None:
    (ssh_host.home / ".bashrc").write_text("echo Welcome; printf exit\\ 0\\ 0\\ x >&2\n")
    connection = await ssh_host.connect()
    reading = await run(connection, ssh_host.new_directory(), "echo on")
    assert reading.data == b"on\n"
    await connection.close()
    (ssh_host.home / ".bashrc").unlink()
