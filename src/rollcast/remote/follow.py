"""A step to its end over one connection: its items, and a look on a second channel when it falls silent.

A follower that is cut off half-way (its `tail` was killed, or a NAT box forgot the channel) is silent like
a step that thinks. So after a silence we ask; if the host knows more than the follower told us (the step is
over, or its journal is longer than what we have), we attach again at our offset, so that the items stay
gap-free.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from rollcast.remote.connector import Attachment, Connection
from rollcast.remote.errors import ContactLost
from rollcast.remote.journal import Ended, Gone, Item, Missing, Output, Refused, Started

SILENCE_LOOK_S: Final = 30.0


async def follow(
    connection: Connection,
    directory: str,
    offset: int,
    *,
    attachment: Attachment | None = None,
    silence_look_s: float = SILENCE_LOOK_S,
) -> AsyncGenerator[Item, None]:
    """The items of a step from `offset` to its last one; `attachment` is the one that `start` just gave.

    Raises ContactLost when the connection goes: come back with the last offset. Close the iterator to leave
    early.
    """
    known_start = False
    while True:
        if attachment is None:
            attachment = await connection.attach(directory, offset)
        async with aclosing(attachment):
            while True:
                try:
                    async with asyncio.timeout(silence_look_s):
                        item = await anext(attachment)
                except TimeoutError:
                    look = await connection.look(directory)
                    if look.state == "alive" and (look.now_bytes or 0) <= offset:
                        continue
                    break  # the host knows more than this follower told: how it ended, or what it wrote
                except StopAsyncIteration:
                    return
                if isinstance(item, Output):
                    offset = item.offset
                elif isinstance(item, Started):
                    if known_start:
                        continue  # each attach begins with it
                    known_start = True
                yield item
        attachment = None


def is_last(item: Item) -> bool:
    """Nothing comes after this item."""
    return isinstance(item, (Ended, Missing, Refused, Gone))


def is_interruption(item: Item, *, started: bool) -> bool:
    """The step run is `interrupted`: it was asked for and what became of it cannot be known any more.

    `started`: this step run's `Started` was seen, now or by a reader before us.
    """
    return isinstance(item, Gone) or (isinstance(item, Missing) and started)


__all__ = ["ContactLost", "follow", "is_interruption", "is_last"]
