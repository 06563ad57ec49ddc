"""A file to a host: sent over a channel of the runner, checked there, renamed into its place.

One way for every host: SFTP may be switched off, or see another root than the steps do. A host that already
has the file says so and nothing is sent; a transfer that was cut leaves nothing behind, so repeating one is
harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from rollcast.remote.errors import ContactLost, ForcedCommand, NothingWritable, UploadRefused
from rollcast.remote.journal import READY, STDERR, ControlLines
from rollcast.remote.pipe import Pipe

if TYPE_CHECKING:
    from rollcast.remote.connection import RunnerConnection

# Read and sent at a time; progress is told as often.
CHUNK: Final = 256 * 1024
# A host that takes no chunk for this long is as good as gone.
STALL_S: Final = 60.0
# After the last byte the host hashes and renames; a gigabyte takes a slow disk a while.
CHECK_S: Final = 300.0


async def send_file(
    connection: RunnerConnection,
    local_path: Path,
    remote_path: str,
    sha256: str,
    mode: int,
    token: str,
    progress: Callable[[int, int], None],
) -> None:
    """See `connector.Connection.upload`."""
    name = connection.spec.name
    try:
        file = await asyncio.to_thread(local_path.open, "rb")
    except OSError as error:
        raise UploadRefused(f"{local_path} cannot be read: {error.strerror}") from error
    try:
        total = (await asyncio.to_thread(local_path.stat)).st_size
        try:
            pipe, read = await connection.call("receive", remote_path, total, sha256, f"{mode:o}", token)
        except (NothingWritable, ForcedCommand) as error:
            raise UploadRefused(error.message) from error
        try:
            answers = _Answers(pipe, read)
            answer = await answers.next()
            if answer == "send":
                await _send(pipe, file, total, progress)
                answer = await answers.next()
        finally:
            await pipe.close()
    finally:
        await asyncio.to_thread(file.close)
    match answer.partition(" "):
        case ["stored", _, _]:
            progress(total, total)
        case ["short", _, _]:
            raise UploadRefused(f"{local_path} became shorter while it was sent to {name}")
        case ["mismatch", _, _]:
            raise UploadRefused(f"{name} received {local_path} with another SHA-256 than {sha256}")
        case ["failed", _, why]:
            raise UploadRefused(f"{name}: {why}")
        case _:
            raise ContactLost(f"{name}: the upload of {local_path} broke off: {answer or 'no answer'}")


async def _send(pipe: Pipe, file: BinaryIO, total: int, progress: Callable[[int, int], None]) -> None:
    """The file's first `total` bytes; if it has grown meanwhile, the digest will tell."""
    sent = 0
    progress(0, total)
    while sent < total:
        data = await asyncio.to_thread(file.read, min(CHUNK, total - sent))
        if not data:
            break
        try:
            async with asyncio.timeout(STALL_S):
                if not await pipe.send(data):
                    return
        except TimeoutError:
            raise ContactLost(f"the host took no byte of the upload for {STALL_S:g} s") from None
        sent += len(data)
        progress(sent, total)
    pipe.send_eof()


class _Answers:
    """The runner's words, one at a time; "" at the end of the channel."""

    def __init__(self, pipe: Pipe, read: list[tuple[int, bytes]]) -> None:
        self._pipe = pipe
        self._lines = ControlLines()
        self._ready = [line for entry in read for line in self._of(entry)]

    def _of(self, entry: tuple[int, bytes]) -> list[str]:
        return [line for line in self._lines.feed(entry[1]) if line != READY] if entry[0] == STDERR else []

    async def next(self) -> str:
        try:
            async with asyncio.timeout(CHECK_S):
                while not self._ready:
                    got = await self._pipe.inbox.get()
                    if got is None:
                        return ""
                    self._ready.extend(self._of(got))
        except TimeoutError:
            raise ContactLost(f"no answer to the upload within {CHECK_S:g} s") from None
        return self._ready.pop(0)
