"""Starting and reading steps, for tests."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from rollcast.remote.connector import Attachment, Connection, Ended, Item, Output, Started

NO_LIMIT = 256 * 1024 * 1024


async def start(
    connection: Connection,
    directory: str,
    script: str | bytes,
    env: Mapping[str, str] | None = None,
    *,
    timeout_s: float = 60,
    max_output: int = NO_LIMIT,
    buffering: str = "line",
) -> Attachment:
    text = script.encode() if isinstance(script, str) else script
    return await connection.start(
        directory, env or {}, text, timeout_s=timeout_s, max_output=max_output, buffering=buffering
    )


@dataclass
class Reading:
    """What one or several followers read of one step."""

    data: bytearray = field(default_factory=bytearray)
    items: list[Item] = field(default_factory=list)  # without the output

    def add(self, item: Item) -> None:
        if isinstance(item, Output):
            assert item.offset == len(self.data) + len(item.data), "bytes were lost or repeated"
            self.data += item.data
        else:
            self.items.append(item)

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


async def run(connection: Connection, directory: str, script: str | bytes, **how: object) -> Reading:
    """Start a script and read it to its end."""
    return await read_all(await start(connection, directory, script, **how))  # type: ignore[arg-type]  # as start


async def begin(connection: Connection, directory: str, script: str, **how: object) -> Attachment:
    """Start a script and wait until the host said so."""
    attachment = await start(connection, directory, script, **how)  # type: ignore[arg-type]  # as start
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
