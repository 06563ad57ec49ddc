"""The reference client in Python: docs/protocol.md and nothing else. Needs no Django.

    client = FeedClient("ws://host/livefeed/", "http://host/livefeed/history", headers, "rollout/42")
    async for group in client:
        ...

PROMISE. Groups come in order of seq, every event once, over however many connections it takes; the iteration
ends when the feed has ended (or goes on, with `past_end`), or raises what made that impossible.

WHY. The cursor moves when the loop's body comes back for the next group, so an event whose processing failed
has not been counted as applied; only what joins the cursor is applied, all else means subscribing again.
"""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

SUBPROTOCOL: Final = Subprotocol("livefeed.v1")
# Half of the smallest window the server uses.
ACK_BYTES: Final = 8 * 1024
# … or this long after the first event that is not acknowledged.
ACK_S: Final = 0.25
# A heartbeat's head that stays ahead of the cursor for so long: something was lost.
BEHIND_S: Final = 3.0
# A connection that lasted so long starts the series of waits anew.
STABLE_S: Final = 30.0
# Opening a connection, or one history page.
OPEN_S: Final = 10.0


class FeedRefused(Exception):
    """Coming back would not help: not signed in, no right, no such feed, or not our protocol."""

    def __init__(self, code: int | str) -> None:
        super().__init__(f"refused: {code}")
        self.code = code


class FeedReset(Exception):
    """The cursor is not good any more (protocol, section 5): `epoch`, `ahead` or `pruned`."""

    def __init__(self, reason: str, epoch: str, first: int, head: int) -> None:
        super().__init__(f"reset: {reason} (epoch {epoch}, events {first} to {head})")
        self.reason, self.epoch, self.first, self.head = reason, epoch, first, head


class FeedUnreachable(Exception):
    """Too many attempts in a row brought no event."""


class _ComeBack(Exception):
    """This connection is over; the cursor is good."""


@dataclass(frozen=True)
class Group:
    """Events `first`, `first + 1`, … of one lane, kind, origin and time (Unix milliseconds)."""

    lane: str
    kind: str
    origin: str | None
    at_ms: int
    first: int
    items: Sequence[Any]

    @property
    def last(self) -> int:
        """The seq of the last event."""
        return self.first + len(self.items) - 1


class FeedClient:
    """Follows one feed from a cursor. `headers` carry what the server asks for: Cookie and Origin."""

    def __init__(
        self,
        url: str,
        history_url: str,
        headers: Mapping[str, str],
        key: str,
        *,
        epoch: str | None = None,
        after: int = 0,
        past_end: bool = False,
        attempts: int = 10,
        patience: float = 1.0,
    ) -> None:
        """`attempts` in a row without an event raise FeedUnreachable; `patience` multiplies waits."""
        self.url, self.history_url, self.headers, self.key = url, history_url, dict(headers), key
        self.epoch, self.seq = epoch, after
        self.connections = 0
        self.pages = 0
        self.caught_up = False
        self.ended = False
        self._past_end = past_end
        self._attempts = attempts
        self._patience = patience
        self._first_max_s, self._cap_s = 5.0, 30.0

    def __aiter__(self) -> AsyncIterator[Group]:
        return self._follow()

    async def _follow(self) -> AsyncGenerator[Group, None]:
        barren, series = 0, 0
        while True:
            seq, began = self.seq, asyncio.get_running_loop().time()
            cause: Exception
            try:
                async with aclosing(self._connection()) as groups:
                    async for group in groups:
                        yield group
                return
            except InvalidStatus as error:
                if error.response.status_code < 500 and error.response.status_code != 429:
                    raise FeedRefused(error.response.status_code) from error
                cause = error
            except ConnectionClosed as closed:
                # Met by a send or by a receive, whichever came first: the code counts in both.
                code = closed.rcvd.code if closed.rcvd else 1006
                if 4500 <= code <= 4999:
                    raise FeedRefused(code) from closed
                cause = closed
            except (_ComeBack, OSError, TimeoutError, WebSocketException, http.client.HTTPException) as error:
                cause = error
            barren = 0 if self.seq > seq else barren + 1
            if barren >= self._attempts:
                raise FeedUnreachable(f"{barren} attempts without an event; the last: {cause!r}") from cause
            series = 1 if asyncio.get_running_loop().time() - began > STABLE_S else series + 1
            await asyncio.sleep(self._wait(series))

    def _wait(self, series: int) -> float:
        longest = self._first_max_s if series == 1 else min(2.0 ** min(series, 16), self._cap_s)
        return random.SystemRandom().uniform(0, longest) * self._patience

    async def _connection(self) -> AsyncGenerator[Group, None]:
        self.connections += 1
        self.caught_up = False
        # The heartbeats of the protocol tell life from death; a ping would only queue behind the events.
        async with (
            connect(
                self.url,
                additional_headers=self.headers,
                subprotocols=[SUBPROTOCOL],
                compression=None,
                proxy=None,
                open_timeout=OPEN_S,
                ping_interval=None,
                close_timeout=1,
            ) as socket,
            aclosing(_Conversation(self, socket).groups()) as groups,
        ):
            async for group in groups:
                yield group

    async def history(self) -> AsyncGenerator[Group, None]:
        """Pages from the cursor on until nothing newer is stored. Raises FeedRefused, FeedReset."""
        while True:
            page = await asyncio.to_thread(self._fetch)
            self.pages += 1
            self.epoch = page["epoch"]
            async with aclosing(self.apply(page)) as groups:
                async for group in groups:
                    yield group
            if page["to"] == page["prev"]:
                return

    async def apply(self, message: Mapping[str, Any]) -> AsyncGenerator[Group, None]:
        """Yield the groups of an `ev` message or a page; the cursor follows the caller."""
        for fields in message["g"]:
            group = Group(*fields)
            if group.first != self.seq + 1:
                raise _ComeBack(f"event {group.first} after {self.seq}")
            yield group
            self.seq = group.last
        self.seq = message["to"]

    def _fetch(self) -> dict[str, Any]:
        parts = urlsplit(self.history_url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=OPEN_S)
        query = urlencode({"feed": self.key, "epoch": self.epoch or "", "after": self.seq})
        try:
            connection.request(
                "GET", f"{parts.path}?{query}", headers=self.headers | {"Accept-Encoding": "gzip"}
            )
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.getheader("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if response.status == 409:
            raise FeedReset(**json.loads(body)["reset"])
        if response.status != 200:
            if response.status < 500:
                raise FeedRefused(response.status)
            raise _ComeBack(f"history answered {response.status}")
        page: dict[str, Any] = json.loads(body)
        return page

    def told(self, welcome: Mapping[str, Any]) -> None:
        """What the server says about coming back."""
        retry = welcome.get("retry", {})
        self._first_max_s = retry.get("first_max_ms", 5000) / 1000
        self._cap_s = retry.get("cap_ms", 30000) / 1000

    @property
    def past_end(self) -> bool:
        """Go on waiting after `end`?"""
        return self._past_end


class _Conversation:
    """One connection's worth of the protocol."""

    def __init__(self, client: FeedClient, socket: ClientConnection) -> None:
        self._client = client
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._id = 0
        self._dead_s = 70.0
        self._heard_at = self._loop.time()
        self._ack_at: float | None = None
        self._unacked_bytes = 0
        self._ask_at: float | None = None

    async def groups(self) -> AsyncGenerator[Group, None]:
        """Groups until the feed ends (then it returns) or the connection does (then it raises)."""
        client = self._client
        await self._send({"t": "hello", "client": "livefeed.client/1"})
        await self._subscribe()
        while True:
            text = await self._receive()
            message = json.loads(text)
            kind = message.get("t")
            if "id" in message and message["id"] != self._id:
                continue  # of a subscription that is over
            if kind == "ev":
                if message["prev"] == client.seq:
                    async with aclosing(client.apply(message)) as groups:
                        async for group in groups:
                            yield group
                    client.ended = False
                    await self._applied(len(text.encode()))
                elif message["to"] > client.seq:
                    await self._subscribe()
            elif kind == "reset" and message["reason"] == "too_far":
                async with aclosing(client.history()) as groups:
                    async for group in groups:
                        yield group
                self._heard_at = self._loop.time()
                await self._subscribe()
            elif kind == "end":
                client.ended = True
                if not client.past_end:
                    await self._acknowledge()
                    return
            else:
                await self._note(kind, message)

    async def _note(self, kind: str, message: Mapping[str, Any]) -> None:
        if kind == "welcome":
            self._dead_s = message["dead_s"]
            self._client.told(message)
        elif kind == "subok":
            self._client.epoch = message["epoch"]
        elif kind == "caught_up":
            self._client.caught_up = True
        elif kind == "reset":
            raise FeedReset(message["reason"], message["epoch"], message["first"], message["head"])
        elif kind == "err":
            if message["code"] != "busy":
                raise FeedRefused(message["code"])
            await asyncio.sleep(message.get("retry_ms", 1000) / 1000)
            await self._subscribe()
        elif kind == "hb":
            self._compare(message["heads"].get(str(self._id), 0))

    def _compare(self, head: int) -> None:
        """A head that stays ahead of us while nothing comes: `_receive` subscribes again."""
        if head <= self._client.seq:
            self._ask_at = None
        elif self._ask_at is None:
            self._ask_at = self._loop.time() + BEHIND_S

    async def _subscribe(self) -> None:
        if self._id:
            await self._send({"t": "unsub", "id": self._id})
        self._id += 1
        self._ack_at, self._unacked_bytes, self._ask_at = None, 0, None
        fields = {"feed": self._client.key, "epoch": self._client.epoch, "after": self._client.seq}
        await self._send({"t": "sub", "id": self._id, **fields})

    async def _applied(self, size: int) -> None:
        self._ask_at = None
        self._unacked_bytes += size
        if self._ack_at is None:
            self._ack_at = self._loop.time() + ACK_S
        if self._unacked_bytes >= ACK_BYTES:
            await self._acknowledge()

    async def _acknowledge(self) -> None:
        self._ack_at, self._unacked_bytes = None, 0
        await self._send({"t": "ack", "id": self._id, "seq": self._client.seq})

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self._socket.send(json.dumps(message))

    async def _receive(self) -> str:
        """The next message; acknowledges meanwhile. Raises _ComeBack or ConnectionClosed if there is none."""
        while True:
            dead_at = self._heard_at + self._dead_s
            due = [at for at in (dead_at, self._ack_at, self._ask_at) if at is not None]
            try:
                async with asyncio.timeout_at(min(due)):
                    text = await self._socket.recv(decode=True)
            except TimeoutError:
                now = self._loop.time()
                if now >= dead_at:
                    raise _ComeBack(f"nothing heard for {self._dead_s} s") from None
                if self._ack_at is not None and now >= self._ack_at:
                    await self._acknowledge()
                if self._ask_at is not None and now >= self._ask_at:
                    await self._subscribe()
            else:
                self._heard_at = self._loop.time()
                return text
