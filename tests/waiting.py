"""Waiting on conditions: the only way a test may wait."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.01
_NEVER_SET = threading.Event()


def eventually(condition: Callable[[], T], deadline_s: float = 10.0, what: str = "") -> T:
    """Call `condition` until it answers something true and return that; AssertionError after the deadline."""
    until = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(
                f"not within {deadline_s} s: {what or inspect.getsource(condition).strip()}; last: {value!r}"
            )
        _NEVER_SET.wait(POLL_S)


async def aeventually(
    condition: Callable[[], T | Awaitable[T]], deadline_s: float = 10.0, what: str = ""
) -> T:
    """The same for a loop: `condition` may be a coroutine function."""
    until = time.monotonic() + deadline_s
    while True:
        answer = condition()
        value: T = await answer if isinstance(answer, Awaitable) else answer
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"not within {deadline_s} s: {what or condition!r}; last: {value!r}")
        await asyncio.sleep(POLL_S)
