"""The demo fleet: real shell commands over SSH, cuts, and the end of power."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
from pathlib import Path

import asyncssh
import pytest

from rollcast.demo.hosts import PORTS_END, fleet_hosts, ill_hosts
from tests.demo.fleets import processes_under, running_fleet
from tests.waiting import aeventually, eventually


async def test_a_host_runs_real_commands_in_a_home_of_its_own(tmp_path: Path) -> None:
    with running_fleet(tmp_path / "fleet") as fleet:
        async with fleet.connect("eu-01") as connection:
            result = await connection.run("pwd; echo $HOME; command -v game-stop; echo oops >&2; exit 7")
            assert (
                result.stdout == (f"{fleet.home('eu-01')}\n" * 2) + f"{fleet.home('eu-01')}/bin/game-stop\n"
            )
            assert result.stderr == "oops\n"
            assert result.exit_status == 7
            ended_by_signal = await connection.run("kill -9 $$")
            assert ended_by_signal.exit_status == 128 + signal.SIGKILL


async def test_bytes_pass_unchanged_both_ways_with_back_pressure(tmp_path: Path) -> None:
    content = os.urandom(4_000_000)
    with running_fleet(tmp_path / "fleet", hosts=1) as fleet:
        async with fleet.connect("eu-01") as connection:
            result = await connection.run("tee copy | sha256sum; cat copy", input=content, encoding=None)
            digest, _, copy = result.stdout.partition(b"\n")
            assert digest.split()[0].decode() == hashlib.sha256(content).hexdigest()
            assert copy == content


async def test_closing_one_channel_early_keeps_the_connection(tmp_path: Path) -> None:
    with running_fleet(tmp_path / "fleet", hosts=1) as fleet:
        async with fleet.connect("eu-01") as connection:
            endless = await connection.create_process("yes", encoding=None)
            await endless.stdout.readexactly(100_000)
            endless.close()
            assert (await connection.run("echo here")).stdout == "here\n"
            await aeventually(lambda: "yes" not in _commands(fleet.folder))


async def test_only_the_generated_key_and_the_current_user_get_in(tmp_path: Path) -> None:
    with running_fleet(tmp_path / "fleet", hosts=1) as fleet:
        row = fleet.rows[0]
        foreign = asyncssh.generate_private_key("ssh-ed25519")
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(
                row["address"],
                int(row["port"]),
                username=row["user"],
                client_keys=[foreign],
                known_hosts=None,
                config=None,
                agent_path=None,
            )


async def test_a_cut_ends_no_detached_step_but_a_power_cut_does(tmp_path: Path) -> None:
    with running_fleet(tmp_path / "fleet") as fleet:
        connection = await fleet.connect("us-01")
        step = "trap 'echo ended > $HOME/ended' EXIT; trap '' TERM; echo on > $HOME/on; sleep 600"
        await connection.run(f'setsid sh -c "{step}" </dev/null >/dev/null 2>&1 &')
        await aeventually((fleet.home("us-01") / "on").exists)
        connection.abort()
        await connection.wait_closed()
        assert processes_under(fleet.folder)
        fleet.power_off()
        assert processes_under(fleet.folder) == []
        assert not (fleet.home("us-01") / "ended").exists()


async def test_a_drill_cuts_a_host_that_has_a_connection_and_ends_no_detached_step(tmp_path: Path) -> None:
    with running_fleet(tmp_path / "fleet") as fleet:
        assert fleet.tell("cut 0.5") == []
        connection = await fleet.connect("us-01")
        await connection.run("setsid sleep 600 </dev/null >/dev/null 2>&1 &")
        attached = await connection.create_process("sleep 500")
        assert fleet.tell("cut 0.99") == ["us-01"]
        await connection.wait_closed()
        assert (await attached.wait()).exit_status is None
        assert "sleep" in _commands(fleet.folder)
        async with fleet.connect("us-01") as again:
            assert (await again.run("echo here")).stdout == "here\n"


async def test_an_ssh_server_that_is_killed_ends_no_detached_step_and_comes_back(tmp_path: Path) -> None:
    with running_fleet(tmp_path / "fleet") as fleet:
        connection = await fleet.connect("bj-01")
        await connection.run("setsid sleep 600 </dev/null >/dev/null 2>&1 &")
        assert fleet.tell("restart 0.1 0.05") == ["bj-01"]
        await connection.wait_closed()
        port = next(int(row["port"]) for row in fleet.rows if row["name"] == "bj-01")
        await aeventually(lambda: _listens(port))
        async with fleet.connect("bj-01") as again:
            assert (await again.run("echo here")).stdout == "here\n"
        assert "sleep" in _commands(fleet.folder)


async def test_an_ssh_server_that_is_away_takes_no_connection(tmp_path: Path) -> None:
    with running_fleet(tmp_path / "fleet") as fleet:
        connection = await fleet.connect("bj-01")
        assert fleet.tell("restart 0.1 600") == ["bj-01"]
        await connection.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await fleet.connect("bj-01")
        async with fleet.connect("us-01") as other:
            assert (await other.run("echo here")).stdout == "here\n"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_what_a_killed_fleet_left_is_ended_at_the_next_start(tmp_path: Path) -> None:
    with running_fleet(tmp_path / "fleet", hosts=1) as fleet:
        async with fleet.connect("eu-01") as connection:
            await connection.run("setsid sleep 600 </dev/null >/dev/null 2>&1 &")
        fleet.process.kill()
        fleet.process.wait()
        assert processes_under(fleet.folder)
        with running_fleet(fleet.folder, hosts=1):
            eventually(lambda: not processes_under(fleet.folder))


def test_the_end_of_its_parent_is_its_end(tmp_path: Path) -> None:
    with running_fleet(tmp_path / "fleet", hosts=1) as fleet:
        assert fleet.process.stdin is not None
        fleet.process.stdin.close()
        assert fleet.process.wait(20) == 0


def test_ports_and_keys_are_kept_between_starts_and_a_larger_fleet_keeps_them_too(tmp_path: Path) -> None:
    with running_fleet(tmp_path / "fleet", hosts=2) as first:
        pass
    with running_fleet(tmp_path / "fleet", hosts=4) as second:
        pass
    assert second.rows[:2] == first.rows
    ports = [int(row["port"]) for row in second.rows]
    assert len(set(ports)) == 4
    assert max(ports) < PORTS_END


def _commands(folder: Path) -> list[str]:
    found = []
    for pid in processes_under(folder):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found.append(Path(f"/proc/{pid}/comm").read_text("utf-8").strip())
    return found


async def test_two_hosts_of_a_new_fleet_fail_one_whole_health_check_and_heal(tmp_path: Path) -> None:
    whole_step = "game-health; echo $?; game-health; echo $?; game-health; echo $?"
    with running_fleet(tmp_path / "fleet", hosts=4, speed=1000) as fleet:
        ill = ill_hosts(fleet_hosts(fleet.folder, 4))
        assert len(ill) == 2
        for name in sorted(row["name"] for row in fleet.rows):
            async with fleet.connect(name) as connection:
                first, second = [
                    [line for line in (await connection.run(whole_step)).stdout.split("\n") if line.isdigit()]
                    for _ in range(2)
                ]
            assert first == (["1"] * 3 if name in ill else ["0"] * 3)
            assert second == ["0"] * 3


async def test_one_update_writes_fifty_numbered_lines_in_order(tmp_path: Path) -> None:
    recipe = (
        "game-announce 1.42.0; game-close; until game-players --empty; do sleep 0.05; done; game-stop;"
        "mkdir x; echo 'bin/server 1' > x/MANIFEST; tar -C x -czf builds/game-1.42.0.tar.gz MANIFEST;"
        "game-switch 1.42.0; game-start; until game-health; do sleep 0.01; done; game-open; game-version"
    )
    with running_fleet(tmp_path / "fleet", speed=100) as fleet:
        async with fleet.connect("bj-01") as connection:
            output = str((await connection.run(recipe)).stdout)
    numbers = [int(line[1:5]) for line in output.split("\n") if line.startswith("[")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 50
    assert output.endswith("\n1.42.0\n")
    for shown in ("公告", "\x1b[32m", "\r解压 unpack 100%"):
        assert shown in output
