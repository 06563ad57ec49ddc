"""PURE: what the query and `Last-Event-ID` of docs/protocol.md, section 10, say, and the `id` of an event.

A stream's client says all it has to say before the first message. `asked` reads that, and `Cursors` writes,
for each message that moves a cursor, the list with which the client may come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

from typing_extensions import override

from livefeed import protocol
from livefeed.protocol import Sub, is_key, number


class NotAQuery(ValueError):
    """The query asks for nothing that could be answered; the text says why."""


class Query(Protocol):
    """What is needed of Django's QueryDict."""

    def get(self, name: str, default: str, /) -> Any: ...

    def getlist(self, name: str, /) -> list[str]: ...


def asked(query: Query, last_event_id: str, most: int) -> list[Sub]:
    """The subscriptions of a query, from the cursors of `Last-Event-ID` where there is one.

    Raises NotAQuery. A `sub` with a wrong field is left to the session, which answers it alone with `err`.
    """
    texts = query.getlist("sub")
    subs = [_sub(text) for text in texts] if texts else [_short(query)]
    if len(subs) > most:
        raise NotAQuery(f"at most {most} subscriptions")
    if len({sub.id for sub in subs}) < len(subs):
        raise NotAQuery("each sub needs an id of its own")
    return _resumed(subs, last_event_id.split(",")) if last_event_id else subs


def _sub(text: str) -> Sub:
    try:
        message = protocol.parse(text)
    except protocol.NotUnderstood as error:
        raise NotAQuery(f"sub: {error}") from error
    if not isinstance(message, Sub):
        raise NotAQuery("sub must be the text of a sub message")
    return message


def _short(query: Query) -> Sub:
    feed, epoch = query.get("feed", ""), query.get("epoch", "") or None
    try:
        after = number(query.get("after", "") or "0")
    except ValueError as error:
        raise NotAQuery("after must be a number") from error
    if not is_key(feed) or after < 0:
        raise NotAQuery("feed is needed, or feed or after is out of range")
    if epoch is None and after:
        raise NotAQuery("a cursor needs its epoch")
    return Sub(1, feed, epoch, after, ended=query.get("ended", "") == "1")


def _resumed(subs: list[Sub], cursors: list[str]) -> list[Sub]:
    if len(cursors) != len(subs):
        raise NotAQuery("Last-Event-ID has another number of cursors than the query has subscriptions")
    return [_moved(sub, cursor) for sub, cursor in zip(subs, cursors, strict=True)]


def _moved(sub: Sub, cursor: str) -> Sub:
    epoch, _, seq = cursor.rpartition(":")
    try:
        after = number(seq)
    except ValueError as error:
        raise NotAQuery("Last-Event-ID is no list of cursors") from error
    if after < 0 or (after and not epoch):
        raise NotAQuery("Last-Event-ID has a cursor out of range")
    return replace(sub, epoch=epoch or None, after=after)


class Cursors:
    """Where a client stands that has applied all it was sent."""

    def __init__(self, subs: Iterable[Sub]) -> None:
        self._at = {sub.id: (sub.epoch or "", sub.after) for sub in subs}

    def move(self, message: dict[str, object]) -> bool:
        """Does this message of ours move a cursor?"""
        match message:
            case {"t": "subok", "id": int(id), "epoch": str(epoch), "after": int(after)}:
                self._at[id] = epoch, after
            case {"t": "ev", "id": int(id), "to": int(to)}:
                self._at[id] = self._at[id][0], to
            case _:
                return False
        return True

    @override
    def __str__(self) -> str:
        """As in an event's `id`, in the order of the query."""
        return ",".join(f"{epoch}:{seq}" for epoch, seq in self._at.values())
