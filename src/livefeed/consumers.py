"""The WebSocket shell around `livefeed.session`, in Channels' shape: `as_asgi()`, `scope`, no channel layer.

Its `__call__` is its own: Channels' dispatch handles one message at a time and would not see a disconnect
while a send is blocked by a slow peer, and takes a hop over the process's one shared thread for each
message. Here a reader task hears the client and a writer task talks to it; the end of either ends the other.
Neither holds events: the session says which frames it wants, the feed's reader has them encoded once for
everybody.

Origins are the business of Channels' OriginValidator around this; rights are asked at every `sub` and again
every RECHECK_S, from the database, on livefeed's own threads.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from channels.consumer import AsyncConsumer
from typing_extensions import override

from livefeed import protocol
from livefeed.access import current_user, may_read
from livefeed.conf import option
from livefeed.log import FeedNotFound
from livefeed.pages import LogDamaged
from livefeed.protocol import CloseCode
from livefeed.reader import FeedReader, ReaderFailed, readers
from livefeed.session import Limits, Session, Subscription
from livefeed.threads import on_page_thread

logger = logging.getLogger(__name__)


class Gone(Exception):
    """The peer is no longer there."""


class FeedConsumer(AsyncConsumer):
    """One socket. `scope["user"]` and `scope["session"]` come from the middleware around it."""

    @override
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        self._receive, self._raw_send = receive, send
        message = await receive()
        if message["type"] != "websocket.connect":
            return
        try:
            await self._greet_and_talk()
        except Gone:
            return
        except Exception:
            logger.exception("a live socket failed; its client comes back with its cursor")
            await self._close_quietly(CloseCode.ERROR)

    async def _greet_and_talk(self) -> None:
        if protocol.SUBPROTOCOL not in self.scope.get("subprotocols", ()):
            await self._send({"type": "websocket.accept"})
            return await self._close_quietly(CloseCode.SUBPROTOCOL)
        await self._send({"type": "websocket.accept", "subprotocol": protocol.SUBPROTOCOL})
        user = self.scope.get("user")
        if user is None or not user.is_authenticated:
            return await self._close_quietly(CloseCode.NOT_SIGNED_IN)
        self._stir = asyncio.Event()
        self._drained = asyncio.Event()
        self._readers: dict[Subscription, FeedReader] = {}
        self._unwatch: dict[Subscription, Callable[[], None]] = {}
        self._session = Session(_limits(), secrets.token_hex(4), time.monotonic())
        try:
            await self._talk()
        finally:
            for unwatch in self._unwatch.values():
                unwatch()

    async def _talk(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(each()) for each in (self._write, self._hear, self._recheck)]
                for task in tasks[:2]:
                    task.add_done_callback(lambda _: [each.cancel() for each in tasks])
        except* Gone:
            logger.debug("the peer of a live socket is gone")

    # -- the client's side ----------------------------------------------------------------------------------

    async def _hear(self) -> None:
        while True:
            while self._session.congested:
                self._drained.clear()
                await self._drained.wait()
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None:
                self._session.close(CloseCode.NOT_UNDERSTOOD)
            else:
                asked = self._session.receive(text, time.monotonic())
                if asked is not None:
                    await self._open(asked)
            if self._has_work():  # most messages are acks that open nothing
                self._stir.set()

    async def _open(self, sub: Subscription) -> None:
        user, allowed = await on_page_thread(partial(_rights, self.scope, [sub.feed]))
        if not user.is_authenticated:
            return self._session.close(CloseCode.NOT_SIGNED_IN)
        if sub.feed not in allowed:
            return self._session.refused(sub, "forbidden")
        reader = readers().of(sub.feed)
        unwatch = reader.watch(self._stir.set)
        try:
            at = await reader.fresh()
        except FeedNotFound:
            unwatch()
            return self._session.refused(sub, "not_found")
        except ReaderFailed:
            unwatch()
            return self._session.close(CloseCode.READER_FAILED)
        self._readers[sub], self._unwatch[sub] = reader, unwatch
        return self._session.opened(sub, at, time.monotonic())

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(option("RECHECK_S"))
            feeds = [sub.feed for sub in self._session.subscriptions]
            user, allowed = await on_page_thread(partial(_rights, self.scope, feeds))
            if not user.is_authenticated:
                self._session.close(CloseCode.NOT_SIGNED_IN)
            for sub in self._session.subscriptions:
                if sub.feed in feeds and sub.feed not in allowed:
                    self._session.refused(sub, "forbidden")
            self._stir.set()

    # -- our side -------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        session = self._session
        while True:
            self._stir.clear()
            self._observe()
            await self._bring_frames()
            session.tick(time.monotonic())
            said = await self._say()
            if session.close_code is not None:
                return await self._close_quietly(session.close_code)
            # What comes meanwhile stirs: without anything to bring, another look would find nothing.
            if not said or not session.wanted():
                await self._rest(session.deadline())

    async def _say(self) -> bool:
        """Send what may be sent; False if that was nothing."""
        said = False
        while (text := self._session.next_message(time.monotonic(), time.time_ns() // 1_000_000)) is not None:
            await self._send({"type": "websocket.send", "text": text})
            self._drained.set()
            said = True
        return said

    def _has_work(self) -> bool:
        """Did the client's word leave something to say, to bring or to let go of?"""
        session = self._session
        gone = any(not session.holds(sub) for sub in self._readers)
        return gone or session.close_code is not None or session.has_work

    async def _rest(self, until: float) -> None:
        # Not asyncio.timeout: this is where every socket is at every line.
        timer = asyncio.get_running_loop().call_later(max(until - time.monotonic(), 0), self._stir.set)
        try:
            await self._stir.wait()
        finally:
            timer.cancel()

    def _observe(self) -> None:
        """Tell the session what the readers know, and let go of the feeds it has dropped."""
        for sub, reader in list(self._readers.items()):
            if not self._session.holds(sub):
                del self._readers[sub]
                self._unwatch.pop(sub)()
            elif reader.failed:
                self._session.close(CloseCode.READER_FAILED)
            else:
                self._session.moved(sub, reader.at)

    async def _bring_frames(self) -> None:
        for sub, after in self._session.wanted():
            reader = self._readers[sub]
            frames = reader.cached(after)
            if not frames:
                try:
                    frames = await reader.load(after)
                except LogDamaged:
                    logger.exception("feed %s cannot be read after %s", sub.feed, after)
                    return self._session.close(CloseCode.READER_FAILED)
            self._session.deliver(sub, frames)
        return None

    async def _send(self, message: dict[str, Any]) -> None:
        """Send with a deadline: servers do not say that a peer has stopped reading. Raises Gone."""
        try:
            async with asyncio.timeout(option("ACK_TIMEOUT_S")):
                await self._raw_send(message)
        except (OSError, RuntimeError, TimeoutError) as error:  # what servers raise once a socket is closed
            raise Gone from error

    async def _close_quietly(self, code: int) -> None:
        try:
            await self._send({"type": "websocket.close", "code": int(code)})
        except Gone:
            return


def _rights(scope: Any, feeds: list[str]) -> tuple[Any, set[str]]:
    """(the user as of now, which of these feeds they may read)."""
    user = current_user(scope)
    return user, {feed for feed in set(feeds) if may_read(user, feed)}


def _limits() -> Limits:
    return Limits(
        hello_s=option("HELLO_S"),
        heartbeat_s=option("HEARTBEAT_S"),
        quiet_s=option("QUIET_S"),
        dead_s=option("DEAD_S"),
        ack_timeout_s=option("ACK_TIMEOUT_S"),
        window_min=option("WINDOW_MIN_BYTES"),
        window_max=option("WINDOW_MAX_BYTES"),
        ack_fast_s=option("ACK_FAST_S"),
        ack_slow_s=option("ACK_SLOW_S"),
        too_far_events=option("TOO_FAR_EVENTS"),
        max_subscriptions=option("MAX_SUBSCRIPTIONS"),
        retry_first_max_ms=option("RETRY_FIRST_MAX_MS"),
        retry_cap_ms=option("RETRY_CAP_MS"),
    )
