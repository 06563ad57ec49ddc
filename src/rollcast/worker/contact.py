"""One host's connection: made when needed, kept for all steps of a target, made again after it was lost."""

from __future__ import annotations

import asyncio
import random

from rollcast.conf import option
from rollcast.remote.connector import Connection, HostSpec
from rollcast.worker.context import Context, connect_options


class Contact:
    """The way to one host. `failed_since`: when the present series of failures began (worker's clock)."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._connection: Connection | None = None
        self._tries = 0
        self.failed_since: float | None = None

    async def connection(self, spec: HostSpec) -> Connection:
        """The connection, made if there is none; RemoteError if none comes about now."""
        if self._connection is not None and not self._connection.closed:
            return self._connection
        try:
            self._connection = await self._context.connect(spec, connect_options())
        except Exception:
            self.lost()
            raise
        return self._connection

    def proven(self) -> None:
        """The host has answered on a channel: the next failure begins a new series.

        A connection alone proves nothing: a host may take every log-in and no command.
        """
        self._tries = 0
        self.failed_since = None

    def lost(self) -> None:
        """Note that contact failed or was lost now."""
        if self.failed_since is None:
            self.failed_since = self._context.clock()

    def next_try_s(self) -> float:
        """Seconds before the next try: doubling, capped, scattered, so that a fleet does not come at once."""
        first: float = option("RECONNECT_FIRST_S")
        longest: float = option("RECONNECT_MAX_S")
        base = min(longest, first * 2.0 ** min(self._tries, 16))
        self._tries += 1
        return base * random.uniform(0.5, 1.0)  # noqa: S311  # scatter, no secret

    async def close(self) -> None:
        """Close the connection, if there is one; what runs on the host goes on."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with_deadline = asyncio.timeout(option("CONNECT_TIMEOUT_S"))
            async with with_deadline:
                await connection.close()
