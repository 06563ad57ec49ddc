"""A socket that is cut off or fails at any point: nothing stays behind, and its client goes on elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from livefeed import conversation, protocol, reader
from livefeed.consumers import FeedConsumer
from livefeed.protocol import SUBPROTOCOL
from tests.livefeed.barrier import Barrier
from tests.livefeed.bounds import held
from tests.livefeed.oracle import write
from tests.livefeed.peer import Peer, assert_is_log, events, off_loop
from tests.waiting import aeventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bell")]

# Where a thread is held, and which message of the server is never taken.
THREADS = {
    "rights": (conversation, "_rights"),
    "first look": (reader, "_look_at"),
    "past": (reader, "stored_frames"),
}
MESSAGES = {"accept": "websocket.accept", "welcome": '"welcome"', "event": '"ev"'}


@pytest.fixture(autouse=True)
def impatient(bell: str, settings: Settings) -> None:
    """Readers go soon after their last watcher."""
    settings.LIVEFEED = settings.LIVEFEED | {"READER_LINGER_S": 0.02}


class StuckWire:
    """The server's side of a socket that stops taking messages at one of them."""

    def __init__(self, user: User, at: str | None) -> None:
        self._at = at
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.stuck, self._gone = asyncio.Event(), asyncio.Event()
        self.say({"type": "websocket.connect"})
        for message in (
            {"t": "hello"},
            {"t": "sub", "id": 1, "feed": "f", "epoch": None, "after": 0},
        ):
            self.say({"type": "websocket.receive", "text": json.dumps(message)})
        scope = {"type": "websocket", "path": "/livefeed/", "user": user, "subprotocols": [SUBPROTOCOL]}
        application: Any = FeedConsumer.as_asgi()
        self.task = asyncio.create_task(application(scope, self._said.get, self._send))

    def say(self, message: dict[str, Any]) -> None:
        """What the application receives next."""
        self._said.put_nowait(message)

    def disconnect(self) -> None:
        """The peer is gone: the application is told, and a send that waits fails."""
        self.say({"type": "websocket.disconnect", "code": 1006})
        self._gone.set()

    async def _send(self, message: dict[str, Any]) -> None:
        if self._at is not None and self._at in message.get("text", message["type"]):
            self.stuck.set()
            await self._gone.wait()
            raise OSError("the peer is gone")


@pytest.mark.parametrize("how", ["cancelled", "disconnected"])
@pytest.mark.parametrize("point", [*MESSAGES, *THREADS])
async def test_a_socket_that_ends_at_any_point_leaves_nothing_behind(
    olga: User, monkeypatch: pytest.MonkeyPatch, point: str, how: str
) -> None:
    await off_loop(write, "f", 10)
    await aeventually(lambda: held()["readers"] == 0)
    baseline, barrier = held(), Barrier()
    if point in THREADS:
        module, name = THREADS[point]
        monkeypatch.setattr(module, name, barrier.before(getattr(module, name)))
    wire = StuckWire(olga, MESSAGES.get(point))
    await aeventually(lambda: wire.stuck.is_set() or barrier.reached.is_set())
    if how == "cancelled":
        wire.task.cancel()
    else:
        wire.disconnect()
    with suppress(asyncio.CancelledError):
        await wire.task
    barrier.lift()
    await aeventually(lambda: held() == baseline)


def broken(call: Callable[..., Any], *, after: int) -> Callable[..., Any]:
    """The call, which fails after so many times."""
    calls = iter(range(after))

    def failing(*args: Any) -> Any:
        if next(calls, None) is None:
            raise KeyError("a mistake of ours")
        return call(*args)

    return failing


@pytest.mark.parametrize(
    ("module", "name", "after"),
    [
        (protocol, "ev", 3),
        (protocol, "parse", 2),
        (conversation, "_rights", 0),
        (conversation, "_rights", 1),
        (reader, "stored_frames", 1),
    ],
    ids=["writer", "hearing", "subscription", "recheck", "past"],
)
async def test_a_socket_that_fails_says_1011_and_its_client_goes_on(
    olga: User, settings: Settings, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, after: int
) -> None:
    settings.LIVEFEED = settings.LIVEFEED | {"RECHECK_S": 0.1, "WINDOW_MIN_BYTES": 1, "WINDOW_MAX_BYTES": 1}
    monkeypatch.setattr(reader, "BATCH_BYTES", 1)
    await off_loop(write, "f", 50)
    epoch = None
    heard: list[dict[str, Any]] = []
    with monkeypatch.context() as patch:
        patch.setattr(module, name, broken(getattr(module, name), after=after))
        async with Peer(olga, greet=False) as peer:
            await peer.say(t="hello")
            await peer.sub("f")
            assert await peer.close_code(heard, acknowledging=True) == 1011
    applied = events(heard)
    if applied.events:
        epoch = next(message for message in heard if message["t"] == "subok")["epoch"]
    cursor = applied.events[-1][0] if applied.events else 0
    async with Peer(olga) as peer:
        await peer.sub("f", cursor, epoch)
        applied.events += events(await peer.hear_until("caught_up")).events
    await assert_is_log(applied, "f")
