"""Files to a host: whole or not at all, however often one tries. On every kind of host."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from rollcast.remote.connection import RunnerConnection
from rollcast.remote.connector import Connection
from rollcast.remote.errors import ContactLost, UploadRefused
from rollcast.remote.journal import STDERR, ControlLines
from rollcast.remote.runner import token
from tests.remote.hosts import Host
from tests.waiting import eventually

ATTEMPT = ".rollcast/e/r1/t1/s0/a1"
CONTENT = bytes(range(256)) * 8_000  # 2 MB, every byte value


@pytest.fixture
def build(tmp_path: Path) -> Path:
    path = tmp_path / "game.tar.gz"
    path.write_bytes(CONTENT)
    return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def upload(connection: Connection, path: Path, to: str, digest: str) -> list[tuple[int, int]]:
    """Upload and return the progress that was told."""
    told: list[tuple[int, int]] = []
    await connection.upload(ATTEMPT, path, to, digest, 0o640, lambda done, total: told.append((done, total)))
    return told


async def test_a_file_arrives_whole_with_its_mode(any_host: Host, build: Path) -> None:
    connection = await any_host.connect()
    to = f"builds/{any_host.new_directory()[1:]}/spiel 文件's.tar.gz"

    told = await upload(connection, build, to, sha256(CONTENT))

    there = any_host.home / to
    assert there.read_bytes() == CONTENT
    assert stat.S_IMODE(there.stat().st_mode) == 0o640
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)
    assert [path.name for path in there.parent.iterdir()] == [there.name]

    there.chmod(0o600)
    assert await upload(connection, build, to, sha256(CONTENT)) == [(len(CONTENT), len(CONTENT))]
    assert stat.S_IMODE(there.stat().st_mode) == 0o640
    await connection.close()


async def test_an_older_file_of_the_same_name_is_replaced(
    connected: Connection, shell_host: Host, build: Path
) -> None:
    to = shell_host.home / f"other-{shell_host.new_directory().replace('/', '-')}"
    to.write_bytes(b"x" * len(CONTENT))
    await upload(connected, build, str(to), sha256(CONTENT))
    assert to.read_bytes() == CONTENT


async def test_an_empty_file_arrives(connected: Connection, shell_host: Host, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    await upload(connected, tmp_path / "empty", "empty", sha256(b""))
    assert (shell_host.home / "empty").read_bytes() == b""
    (shell_host.home / "empty").unlink()


async def test_another_digest_puts_nothing_in_place(
    connected: Connection, shell_host: Host, build: Path
) -> None:
    with pytest.raises(UploadRefused, match="another SHA-256"):
        await upload(connected, build, "wrong/file", sha256(b"something else"))
    assert list((shell_host.home / "wrong").iterdir()) == []


async def test_a_file_that_cannot_be_read_says_so(connected: Connection, tmp_path: Path) -> None:
    with pytest.raises(UploadRefused, match="No such file"):
        await upload(connected, tmp_path / "absent", "file", sha256(b""))


async def test_a_place_that_cannot_be_written_says_so(
    connected: Connection, shell_host: Host, build: Path
) -> None:
    (shell_host.home / "blocked").touch()
    (shell_host.home / "folder").mkdir(exist_ok=True)
    for to, why in (
        ("blocked/file", "cannot make the folder"),
        ("folder", "is a folder"),
        ("/proc/x", "cannot write"),
    ):
        with pytest.raises(UploadRefused, match=why):
            await upload(connected, build, to, sha256(CONTENT))


@pytest.mark.parametrize(("abandoned", "stored"), [(ATTEMPT, False), (f"{ATTEMPT}0", True)])
async def test_an_upload_that_is_given_up_is_not_put_in_place(
    connected: Connection, shell_host: Host, abandoned: str, stored: bool
) -> None:
    assert isinstance(connected, RunnerConnection)
    to = shell_host.home / f"given-up{shell_host.new_directory().replace('/', '-')} 文件's" / "[file] *"
    pipe, read = await connected.call(
        "receive", str(to), len(CONTENT), sha256(CONTENT), "644", token(ATTEMPT)
    )
    lines = ControlLines()
    await pipe.send(CONTENT[:-1])
    while not list(to.parent.glob(".*.part")):
        got = await pipe.inbox.get()
        assert got is not None
        read.append(got)
    await connected.abandon(abandoned, str(to))
    await pipe.send(CONTENT[-1:])
    pipe.send_eof()
    while (got := await pipe.inbox.get()) is not None:
        read.append(got)
    said = [line for stream, data in read if stream == STDERR for line in lines.feed(data)]
    assert ("stored" in said) == to.exists() == stored
    assert list(to.parent.iterdir()) == [to] * stored
    await connected.abandon(ATTEMPT, str(to))
    assert to.exists() == stored


async def test_an_upload_that_was_cut_leaves_nothing_and_can_be_repeated(any_host: Host, build: Path) -> None:
    connection = await any_host.connect()
    folder = f"cut{any_host.new_directory().replace('/', '-')}"
    to = f"{folder}/file"

    class Cut(Exception):
        """Somebody ended the worker in mid-transfer."""

    def cut(done: int, total: int) -> None:
        if done > total // 2:
            raise Cut

    with pytest.raises(Cut):
        await connection.upload(ATTEMPT, build, to, sha256(CONTENT), 0o644, cut)
    await connection.close()
    with pytest.raises(ContactLost):
        await upload(connection, build, to, sha256(CONTENT))
    eventually(lambda: list((any_host.home / folder).iterdir()) == [])

    connection = await any_host.connect()
    await upload(connection, build, to, sha256(CONTENT))
    assert (any_host.home / to).read_bytes() == CONTENT
    await connection.close()
