"""A follower of one step, over any pipe."""

from __future__ import annotations

from collections import deque
from typing import Final

from rollcast.remote.errors import ContactLost, RunnerError
from rollcast.remote.journal import Item, JournalReader
from rollcast.remote.pipe import Pipe


class PipeAttachment:
    """The items of a `start` or `attach` that runs on the other end of `pipe`. See `connector.Attachment`."""

    def __init__(self, pipe: Pipe, offset: int, host: str) -> None:
        self._pipe: Final = pipe
        self._host = host
        self._reader = JournalReader(offset)
        self._ready: deque[Item] = deque()
        self._closed = False

    def take(self, stream: int, data: bytes) -> None:
        """Bytes that were read before this attachment was made."""
        self._ready.extend(self._reader.feed(stream, data))

    def __aiter__(self) -> PipeAttachment:
        return self

    async def __anext__(self) -> Item:
        while not self._ready:
            if self._reader.finished or self._closed:
                await self.aclose()
                raise StopAsyncIteration
            await self._read()
        return self._ready.popleft()

    async def _read(self) -> None:
        got = await self._pipe.inbox.get()
        if got is not None:
            self.take(*got)
            return
        self._ready.extend(self._reader.end())
        if self._ready:
            return
        await self.aclose()
        if self._reader.failed is not None:
            raise RunnerError(f"{self._host}: {self._reader.failed}")
        said = f": {self._reader.complaint}" if self._reader.complaint else ""
        raise ContactLost(f"{self._host}: the follower on the host ended before the step did{said}")

    def pause(self) -> None:
        """Stop reading from the host."""
        self._pipe.inbox.hold(True)

    def resume(self) -> None:
        """Read on."""
        self._pipe.inbox.hold(False)

    async def aclose(self) -> None:
        """Leave; the step goes on."""
        if not self._closed:
            self._closed = True
            await self._pipe.close()
