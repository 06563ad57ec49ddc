"""Starting and reading steps, for tests."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from typing_extensions import Unpack

from rollcast.remote.connector import Attachment, Connection, Ended, Item, Output, Started
from tests.waiting import aeventually

NO_LIMIT = 256 * 1024 * 1024


class How(TypedDict, total=False):
    """What a test may want otherwise."""

    env: Mapping[str, str]
    timeout_s: float
    max_output: int
    buffering: str


async def start(
    connection: Connection, directory: str, script: str | bytes, **how: Unpack[How]
) -> Attachment:
    return await connection.start(
        directory,
        how.get("env", {}),
        script.encode() if isinstance(script, str) else script,
        timeout_s=how.get("timeout_s", 60),
        max_output=how.get("max_output", NO_LIMIT),
        buffering=how.get("buffering", "line"),
    )


@dataclass
class Reading:
    """What one or several followers read of one step."""

    chunks: list[bytes] = field(default_factory=list)
    offset: int = 0
    items: list[Item] = field(default_factory=list)  # without the output

    def add(self, item: Item) -> None:
        if isinstance(item, Output):
            self.offset += len(item.data)
            assert item.offset == self.offset, "bytes were lost or repeated"
            self.chunks.append(item.data)
        else:
            self.items.append(item)

    @property
    def data(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def last(self) -> Item:
        return self.items[-1]

    @property
    def ended(self) -> Ended:
        assert isinstance(self.last, Ended), self.items
        return self.last

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


async def read_all(items: AsyncIterator[Item], reading: Reading | None = None) -> Reading:
    reading = Reading() if reading is None else reading
    async for item in items:
        reading.add(item)
    return reading


async def run(connection: Connection, directory: str, script: str | bytes, **how: Unpack[How]) -> Reading:
    """Start a script and read it to its end."""
    return await read_all(await start(connection, directory, script, **how))


async def begin(connection: Connection, directory: str, script: str, **how: Unpack[How]) -> Attachment:
    """Start a script and wait until the host said so."""
    attachment = await start(connection, directory, script, **how)
    assert isinstance(await anext(aiter(attachment)), Started)
    return attachment


async def read_until(attachment: Attachment, text: bytes) -> bytes:
    """Read output until it holds `text`."""
    data = b""
    async for item in attachment:
        if isinstance(item, Output):
            data += item.data
        if text in data:
            return data
    raise AssertionError(f"{text!r} did not come: {data!r}")


async def last_of(attachment: Attachment) -> Item:
    """The last item of an attachment that was read in part."""
    items = [item async for item in attachment]
    return items[-1]


async def until_ended(connection: Connection, directory: str) -> None:
    """Wait until the host says that the step is over."""

    async def ended() -> bool:
        return (await connection.look(directory)).state == "ended"

    condition: Callable[[], bool | Awaitable[bool]] = ended
    await aeventually(condition)
