"""One client's conversation: the pure `livefeed.session` with readers, rights and time around it.

Every shell is built on this and on nothing else of ours: the WebSocket (`livefeed.consumers`), the event
stream and the long poll (`livefeed.views`). A shell opens one by `conversing`, passes on what the client
says (`hear`), and sends what `next_message` answers until that is None. It owns no queue: while a send is
blocked nobody asks for the next message, and the session holds one batch a subscription.

WHY NO NEWS IS LOST. `next_message` clears `_stir` before it looks at the readers and sleeps on it after, so
what comes between the two wakes it.

RIGHTS are asked from the database, on livefeed's own threads: at every `sub`, every RECHECK_S, and at once
where a reader has seen that they changed (`livefeed.rights`). That reader says so before it shows what it
found, and `next_message` looks for it before each message without a wait in between: no event overtakes it.

WHY A SLOW FEED HOLDS UP NO OTHER on the same connection: what asks the database for one subscription is an
errand beside the conversation, which goes on hearing and sending meanwhile. A client that has more than
MAX_SUBSCRIPTIONS under way is not heard for a while; an errand that fails ends the conversation.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from livefeed.access import current_user, may_read
from livefeed.conf import option
from livefeed.connections import Transport, address_of, connections
from livefeed.log import FeedNotFound, FeedState
from livefeed.pages import EventsPruned, LogDamaged
from livefeed.protocol import CloseCode
from livefeed.reader import FeedReader, ReaderFailed, readers
from livefeed.rights import who_is
from livefeed.session import Limits, Session, Subscription, Tally
from livefeed.threads import on_rights_thread

logger = logging.getLogger(__name__)


class Conversation:
    """See the head of this file. `scope` has `user` and, if there are any, `session` and `client`."""

    def __init__(self, scope: Mapping[str, Any], transport: Transport) -> None:
        self.who, self.address, self.transport = who_is(scope["user"]), address_of(scope), transport
        # The close code with which the client has left, if it did and its transport has such.
        self.left_with: int | None = None
        self._scope = scope
        self._now = asyncio.get_running_loop().time
        self._ask_at = math.inf
        self._stir = asyncio.Event()
        self._taken = asyncio.Event()
        self._readers: dict[Subscription, FeedReader] = {}
        self._unwatch: dict[Subscription, Callable[[], None]] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._fetching: set[Subscription] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._session = Session(_limits(), secrets.token_hex(4), self._now())

    @property
    def close_code(self) -> int | None:
        """Why the conversation is over, once it is."""
        return self._session.close_code

    @property
    def tally(self) -> Tally:
        """What was sent so far."""
        return self._session.tally

    @property
    def lags(self) -> list[int]:
        """Of each subscription that stands, how many events are not acknowledged. From any thread."""
        return [sub.at.head - sub.acked for sub in self._session.subscriptions]

    def leave(self) -> None:
        """The client is gone, or was told so: let go of every feed."""
        if self._timer is not None:
            self._timer.cancel()
        for errand in self._errands:
            errand.cancel()
        for unwatch in self._unwatch.values():
            unwatch()

    def close(self, code: CloseCode) -> None:
        """End the conversation for a reason of the shell's, once what waits has been taken."""
        self._session.close(code)
        self._stir.set()

    def drain(self, in_s: float) -> None:
        """Tell the client that the server is about to end, and end the conversation in `in_s` seconds."""
        self._session.drain(self._now(), in_s)
        self._stir.set()

    # -- the client's side ----------------------------------------------------------------------------------

    async def ready_to_hear(self) -> None:
        """Wait while the client leaves too many answers unread, or has asked for too much at once."""
        while self._session.congested or len(self._errands) > option("MAX_SUBSCRIPTIONS"):
            self._taken.clear()
            await self._taken.wait()

    async def hear(self, text: str | None) -> None:
        """One message of the client; None for one that is no text."""
        if text is None:
            self._session.close(CloseCode.NOT_UNDERSTOOD)
        else:
            asked = self._session.receive(text, self._now())
            if asked is not None:
                self._send_out(self._open(asked))
        if self._has_work():  # most messages are acks that open nothing
            self._stir.set()

    async def recheck(self) -> None:
        """Ask for the rights again, every RECHECK_S, for ever."""
        while True:
            await asyncio.sleep(option("RECHECK_S"))
            await self._ask()
            self._stir.set()

    def ask_again(self) -> None:
        """What this user may read has changed: no message goes out before the rights were asked again."""
        self._ask_at = -math.inf
        self._stir.set()

    async def _ask_at_once(self) -> None:
        # Asked once more a little later: it may be told before it is true, as Django's sign-out is.
        told = self._ask_at == -math.inf
        self._ask_at = self._now() + option("SAFETY_POLL_S") if told else math.inf
        try:
            await self._ask()
        except asyncio.CancelledError:  # a shell that waits for a while only, and may be back
            self._ask_at = -math.inf
            raise

    async def _ask(self) -> None:
        subs = self._session.held
        try:
            user, allowed = await on_rights_thread(partial(_rights, self._scope, [sub.feed for sub in subs]))
        except Exception:
            logger.exception("nobody could say what a reader may see; its client comes back with its cursor")
            return self._session.close(CloseCode.ERROR)
        if not user.is_authenticated:
            return self._session.close(CloseCode.NOT_SIGNED_IN)
        for sub in subs:
            if sub.feed not in allowed:
                self._session.refused(sub, "forbidden")
        return None

    async def _open(self, sub: Subscription) -> None:
        user, allowed = await on_rights_thread(partial(_rights, self._scope, [sub.feed]))
        if not user.is_authenticated:
            return self._session.close(CloseCode.NOT_SIGNED_IN)
        if sub.feed not in allowed:
            return self._session.refused(sub, "forbidden")
        reader = readers().of(sub.feed)
        # Written down before the wait: whoever is cancelled there is let go of by `leave`.
        self._unwatch[sub] = reader.watch(self._stir.set)
        try:
            at = await reader.fresh()
        except FeedNotFound:
            self._unwatch.pop(sub)()
            return self._session.refused(sub, "not_found")
        except ReaderFailed:
            self._unwatch.pop(sub)()
            return self._session.close(CloseCode.READER_FAILED)
        self._readers[sub] = reader
        return self._session.opened(sub, at, self._now())

    def _send_out(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._came_back)

    def _came_back(self, errand: asyncio.Task[None]) -> None:
        self._errands.discard(errand)
        error = None if errand.cancelled() else errand.exception()
        if error is not None:
            logger.error("a feed could not be served; its client comes back with its cursor", exc_info=error)
            self._session.close(CloseCode.ERROR)
        self._stir.set()
        self._taken.set()

    def _has_work(self) -> bool:
        """Did the client's word leave something to say, to bring or to let go of?"""
        session = self._session
        gone = any(not session.holds(sub) for sub in self._readers)
        return gone or session.close_code is not None or session.has_work

    @property
    def _under_way(self) -> bool:
        """Is there anything that could be said, or brought to be said, as far as the readers know?"""
        return self._session.has_work or bool(self._errands)

    # -- our side -------------------------------------------------------------------------------------------

    async def next_message(self, *, patient: bool = True) -> str | None:
        """The next message for the client, as soon as there is one; None once `close_code` says why not.

        Without `patient` None as well as soon as no message can come without news: everything asked for is
        answered, and everything stored is said.
        """
        session = self._session
        while True:
            while (now := self._now()) >= self._ask_at:
                await self._ask_at_once()
            text = session.next_message(now, time.time_ns() // 1_000_000)
            if text is not None:
                self._taken.set()
                return text
            if session.close_code is not None or not (patient or self._under_way):
                return None
            # What comes meanwhile stirs: without anything to bring, another look would find nothing.
            if not self._wanted():
                await self._rest(min(session.deadline(), self._ask_at))
            self._stir.clear()
            self._observe()
            self._bring_frames()
            session.tick(self._now())

    async def _rest(self, until: float) -> None:
        """Sleep until something stirs, or the time has come.

        This is where every client is at every line, and its deadline mostly moves on with each: a timer that
        is too early costs one look for nothing, a new one for each line costs more.
        """
        loop = asyncio.get_running_loop()
        if self._timer is None or until < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(until, self._time_has_come)
        await self._stir.wait()

    def _time_has_come(self) -> None:
        self._timer = None
        self._stir.set()

    def _observe(self) -> None:
        """Tell the session what the readers know, and let go of the feeds it has dropped."""
        for sub, reader in list(self._readers.items()):
            if not self._session.holds(sub):
                del self._readers[sub]
                self._unwatch.pop(sub)()
            elif reader.missing:
                self._session.refused(sub, "not_found")
            elif reader.failed:
                self._session.close(CloseCode.READER_FAILED)
            else:
                self._session.moved(sub, reader.at)

    def _wanted(self) -> list[tuple[Subscription, int]]:
        return [(sub, after) for sub, after in self._session.wanted() if sub not in self._fetching]

    def _bring_frames(self) -> None:
        for sub, after in self._wanted():
            reader = self._readers[sub]
            frames = reader.cached(after)
            if frames:
                self._session.deliver(sub, frames)
            elif reader.state is not None:  # as it is wherever a subscription stands
                self._fetching.add(sub)
                self._send_out(self._fetch(sub, reader, reader.state, after))

    async def _fetch(self, sub: Subscription, reader: FeedReader, state: FeedState, after: int) -> None:
        # By the state that `sub` was told of: a newer one may be of another epoch.
        try:
            self._session.deliver(sub, await reader.load(state, after))
        except (EventsPruned, FeedNotFound):
            await self._look_again(sub, reader)
        except LogDamaged:
            logger.exception("feed %s cannot be read after %s", sub.feed, after)
            self._session.close(CloseCode.READER_FAILED)
        finally:
            self._fetching.discard(sub)

    async def _look_again(self, sub: Subscription, reader: FeedReader) -> None:
        """What the reader knew of the feed is no longer true: its events were pruned, or it was deleted."""
        try:
            self._session.moved(sub, await reader.fresh())
        except FeedNotFound:
            self._session.refused(sub, "not_found")
        except ReaderFailed:
            self._session.close(CloseCode.READER_FAILED)


def admit(scope: Mapping[str, Any]) -> None:
    """Raise Refused if `conversing` would: for a shell that must answer before it begins."""
    user = scope.get("user")
    if user is None or not user.is_authenticated:
        raise connections().stranger(address_of(scope))
    connections().check(who_is(user), address_of(scope))


@contextmanager
def conversing(scope: Mapping[str, Any], transport: Transport) -> Iterator[Conversation]:
    """A conversation with the user of `scope`, known to `livefeed.connections` until the block ends.

    Raises Refused where nobody is signed in, or there is no place.
    """
    admit(scope)
    conversation = Conversation(scope, transport)
    with connections().entered(conversation):
        try:
            yield conversation
        finally:
            conversation.leave()


def _rights(scope: Mapping[str, Any], feeds: list[str]) -> tuple[Any, set[str]]:
    """(the user as of now, which of these feeds they may read)."""
    user = current_user(scope)
    allowed = {feed for feed in set(feeds) if may_read(user, feed)}
    # Whoever may not read may have gone since: that is another answer than a right that was taken.
    return (user if allowed.issuperset(feeds) else current_user(scope)), allowed


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
        messages_per_s=option("MESSAGES_PER_S"),
        messages_burst=option("MESSAGES_BURST"),
        retry_first_max_ms=option("RETRY_FIRST_MAX_MS"),
        retry_cap_ms=option("RETRY_CAP_MS"),
    )
