"""The conversation without a WebSocket: event stream and long poll, docs/protocol.md, section 10.

The query says what a client would say. An `ev` that the server has taken counts as applied: TCP is the
window.

BOTH ARE STREAMED, the poll as well. Its view has answered long before there is news: where a middleware is
synchronous, Django keeps a thread for as long as a view runs.

NOTHING IS HELD WHILE NOTHING HAPPENS. `_free_thread` gives the request's thread and its database connection
back before the first wait. What is beside the body (tasks, timers, watches of feeds) ends with the body or
with the task that sends it, whichever is first: a body that waits in `yield` when its client goes is not
closed by Django but left to the garbage collector.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from asgiref.sync import SyncToAsync
from django.contrib.auth.decorators import login_not_required
from django.core.handlers.asgi import ASGIRequest
from django.db import connections, transaction
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)

from livefeed import protocol
from livefeed.access import foreign_origin, request_scope
from livefeed.conf import option
from livefeed.connections import Refused, Transport
from livefeed.conversation import admit, conversing
from livefeed.cursors import Cursors, NotAQuery, asked
from livefeed.frames import JSON, encode, size_of
from livefeed.protocol import CloseCode, Sub, number
from livefeed.sending import SendDeadline
from livefeed.threads import on_rights_thread

STREAM: Final = "text/event-stream"
POLL: Final = "application/json"
# What a poll waits for; an `end` counts as well, unless the client has said that it knows.
NEWS: Final = frozenset({"ev", "reset", "err"})
HELLO: Final = encode({"t": "hello", "client": "query"})


@dataclass(frozen=True)
class Asked:
    """A request that may begin its conversation."""

    scope: dict[str, Any]
    subs: list[Sub]
    kind: str
    wait_s: float


@login_not_required  # it asks itself, and answers 401 where a page would be redirected
@transaction.non_atomic_requests  # ATOMIC_REQUESTS would refuse an asynchronous view
async def feed(request: HttpRequest) -> HttpResponseBase:
    """`GET livefeed/?feed=KEY&epoch=E&after=N`, or with `sub` as often as there are feeds."""
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    entry = await on_rights_thread(partial(_enter, request))
    if isinstance(entry, HttpResponseBase):
        return entry
    try:
        admit(entry.scope)
    except Refused as refused:
        answer = _refusal("busy", refused.status)
        answer["Retry-After"] = str(refused.retry_s)
        return answer
    body = _events(entry) if entry.kind == STREAM else _poll(entry)
    response = StreamingHttpResponse(body, content_type=entry.kind)
    response["Cache-Control"] = "no-store, no-transform"
    response["X-Accel-Buffering"] = "no"
    # GZipMiddleware and nginx leave alone what has an encoding: else they hold it back to compress it.
    response["Content-Encoding"] = "identity"
    return response


def _enter(request: HttpRequest) -> Asked | HttpResponse:
    if not request.user.is_authenticated:
        return _refusal("sign_in", 401)
    if foreign_origin(request):
        return _refusal("forbidden", 403)
    kind = request.get_preferred_type([STREAM, POLL])
    if kind is None:
        return _refusal(f"this is {STREAM} or {POLL}", 406)
    try:
        subs = asked(request.GET, request.headers.get("Last-Event-ID", ""), option("MAX_SUBSCRIPTIONS"))
        wait_s = _wait_s(request.GET.get("wait"))
    except NotAQuery as error:
        return _refusal(str(error), 400)
    if not isinstance(request, ASGIRequest):
        return _refusal("live feeds need an ASGI server; history pages do not", 501)
    return Asked(request_scope(request), subs, kind, wait_s)


def _wait_s(text: str | None) -> float:
    longest: float = option("POLL_WAIT_S")
    try:
        return longest if text is None else max(0, min(number(text), longest))
    except ValueError as error:
        raise NotAQuery("wait must be a number of seconds") from error


def _refusal(error: JSON, status: int) -> HttpResponse:
    response = HttpResponse(encode({"error": error}), status=status, content_type=POLL)
    response["Cache-Control"] = "no-store"
    return response


async def _events(entry: Asked) -> AsyncGenerator[bytes, None]:
    """Server-sent events until the conversation ends; the last one is `bye`."""
    await _free_thread()
    cursors = Cursors(entry.subs)
    try:
        talk = _Talk(entry)
    except Refused as refused:  # somebody else has taken the last place meanwhile
        yield f"data: {protocol.bye(refused.code)}\n\n".encode()
        return
    with closing(talk):
        talk.end_after(option("STREAM_S"))
        await talk.ask()
        # By chance: after a restart not everybody comes back at the same moment.
        label = f"retry: {1 + secrets.randbelow(option('RETRY_FIRST_MAX_MS'))}\n"
        while (text := await talk.next_message()) is not None:
            message = protocol.fields(text)
            if cursors.move(message):
                label += f"id: {cursors}\n"
            with talk.sending():
                yield f"{label}data: {text}\n\n".encode()
            label = ""
            await talk.taken(message)
        with talk.sending():
            yield f"data: {talk.bye}\n\n".encode()


async def _poll(entry: Asked) -> AsyncGenerator[bytes, None]:
    """One JSON text, as soon as there is news or the wait is over."""
    await _free_thread()
    try:
        with closing(_Talk(entry)) as talk:
            await talk.ask()
            texts = [text async for text in _until_news(talk, entry.wait_s)]
    except Refused as refused:
        texts = [protocol.bye(refused.code)]
    yield f'{{"m":[{",".join(texts)}]}}'.encode()


async def _until_news(talk: _Talk, wait_s: float) -> AsyncGenerator[str, None]:
    """The messages of one poll, with all that belongs to the first news, up to POLL_BYTES."""
    began = asyncio.get_running_loop().time()
    news, size = False, 0
    known_ends = {sub.id for sub in talk.subs if sub.ended}
    while size < option("POLL_BYTES"):
        text = await _by(began + option("POLL_WAIT_S"), talk.next_message(patient=False))
        if text is None and not (news or talk.over):
            text = await _by(began + wait_s, talk.next_message())
        if text is None:
            if talk.over:
                yield talk.bye
            return
        yield text
        message = protocol.fields(text)
        await talk.taken(message)
        size += size_of(text)
        news |= message["t"] in NEWS or (message["t"] == "end" and message["id"] not in known_ends)


async def _by(until: float, message: Awaitable[str | None]) -> str | None:
    try:
        async with asyncio.timeout_at(until):
            return await message
    except TimeoutError:
        return None


class _Talk:
    """A conversation whose client has said everything in its query."""

    def __init__(self, entry: Asked) -> None:
        self.subs = entry.subs
        self._loop = asyncio.get_running_loop()
        self._ends = ExitStack()
        transport: Transport = "stream" if entry.kind == STREAM else "poll"
        self._conversation = talk = self._ends.enter_context(conversing(entry.scope, transport))
        self.next_message = talk.next_message
        answering = asyncio.current_task()
        assert answering is not None
        self._deadline = SendDeadline(option("ACK_TIMEOUT_S"), answering.cancel)
        self._ends.callback(self._deadline.close)
        self._ends.callback(self._loop.create_task(talk.recheck()).cancel)
        answering.add_done_callback(lambda _: self.close())

    async def ask(self) -> None:
        """Say what stands in the query, all of it before anything is answered."""
        for text in (HELLO, *map(protocol.sub, self.subs)):
            await self._conversation.hear(text)

    @property
    def over(self) -> bool:
        """Has the conversation come to its end, but for what still waits to be taken?"""
        return self._conversation.close_code is not None

    @property
    def bye(self) -> str:
        """The last message: why there is no next one."""
        return protocol.bye(self._conversation.close_code or CloseCode.ERROR)

    def end_after(self, seconds: float) -> None:
        """Let the client come back after this time."""
        timer = self._loop.call_later(seconds, self._conversation.close, CloseCode.COME_BACK)
        self._ends.callback(timer.cancel)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Around a `yield`: who waits in it cannot look at a clock."""
        self._deadline.since = time.monotonic()
        try:
            yield
        finally:
            self._deadline.since = None

    async def taken(self, message: Mapping[str, Any]) -> None:
        """The server has taken this message: events among it count as applied."""
        if message["t"] == "ev":
            await self._conversation.hear(protocol.ack(message["id"], message["to"]))

    def close(self) -> None:
        """End what is beside the conversation, and let go of its feeds. Once is as good as twice."""
        self._ends.close()


async def _free_thread() -> None:
    """Give back the thread that Django keeps for each request until its last byte, with its connection.

    Middlewares have run there and nothing else will.
    """
    context = SyncToAsync.thread_sensitive_context.get(None)
    if context is None or context not in SyncToAsync.context_to_thread_executor:
        return
    executor = SyncToAsync.context_to_thread_executor[context]
    await asyncio.get_running_loop().run_in_executor(executor, connections.close_all)
    del SyncToAsync.context_to_thread_executor[context]
    executor.shutdown(wait=False)
