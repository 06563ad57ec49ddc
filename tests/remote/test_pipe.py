"""The inbox between a transport and its reader."""

from __future__ import annotations

import asyncio

import pytest

from rollcast.remote.errors import ContactLost
from rollcast.remote.pipe import HIGH_WATER, LOW_WATER, Inbox


class Transport:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.reading = True
        self.inbox = Inbox(lambda: self._set(False), lambda: self._set(True))

    def reads(self) -> bool:
        return self.reading

    def _set(self, reading: bool) -> None:
        assert self.reading is not reading, "told twice"
        self.reading = reading


async def test_a_full_inbox_stops_the_transport_and_an_emptier_one_lets_it_go_on() -> None:
    transport = Transport()
    chunk = bytes(32 * 1024)
    held = HIGH_WATER // len(chunk) + 1
    for _ in range(held):
        assert transport.reads()
        transport.inbox.put(1, chunk)
    assert not transport.reads()
    while not transport.reads():
        assert await transport.inbox.get() == (1, chunk)
        held -= 1
    assert held * len(chunk) == LOW_WATER


async def test_a_reader_may_hold_the_transport_itself() -> None:
    transport = Transport()
    transport.inbox.hold(True)
    assert not transport.reads()
    transport.inbox.put(1, bytes(HIGH_WATER + 1))
    transport.inbox.hold(False)
    assert not transport.reads()  # still full
    await transport.inbox.get()
    assert transport.reads()


async def test_what_came_before_a_loss_is_given_out_first() -> None:
    inbox = Transport().inbox
    inbox.put(1, b"last words")
    inbox.end(ContactLost("gone"))
    inbox.end()
    assert await inbox.get() == (1, b"last words")
    for _ in range(2):
        with pytest.raises(ContactLost, match="gone"):
            await inbox.get()


async def test_a_cancelled_reader_loses_nothing() -> None:
    inbox = Transport().inbox
    waiting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put(2, b"x")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    inbox.end()
    assert await inbox.get() == (2, b"x")
    assert await inbox.get() is None
