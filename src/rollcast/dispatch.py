"""Hints: "somebody look at rollout 42". A hint may be lost, doubled or late without harm.

The truth is in the rows and their leases; a worker that never hears a hint finds its work by its slow poll.
A hint only makes the answer quick.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Protocol

from django.db import transaction
from django.utils.module_loading import import_string

from rollcast.conf import option

Listener = Callable[[int], None]


class Dispatcher(Protocol):
    """Carries hints from whoever changed a rollout to whoever works."""

    def hint(self, rollout_id: int) -> None:
        """Tell the listeners to look at the rollout; must neither block nor raise."""

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each hint, from any thread; answers the call that ends it."""


def hint(rollout_id: int) -> None:
    """Hint at the rollout after the current transaction has committed; at once when there is none."""
    transaction.on_commit(partial(_hint_now, rollout_id), robust=True)


def listen(listener: Listener) -> Callable[[], None]:
    """Hear the hints of the dispatcher that the settings name; answers the call that ends it."""
    return _dispatcher(option("DISPATCHER")).listen(listener)


def _hint_now(rollout_id: int) -> None:
    _dispatcher(option("DISPATCHER")).hint(rollout_id)


@lru_cache(maxsize=8)
def _dispatcher(path: str) -> Dispatcher:
    made: Dispatcher = import_string(path)()
    return made
