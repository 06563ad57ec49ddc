"""A database that refuses one statement of a transaction, as it does on a full disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import OperationalError, connection

WRITES = ("INSERT", "UPDATE", "DELETE")


def refused_in_turn(write: Callable[[], object], look: Callable[[], object]) -> list[str]:
    """Do `write` with its first writing statement refused, then with its second, … until it is done.

    Answers the statements that were refused; AssertionError if `look` has seen a trace of one of these tries.
    """
    before, refused = look(), list[str]()
    while True:
        try:
            with connection.execute_wrapper(_Refusing(refused)):
                write()
        except OperationalError:
            assert look() == before, f"a trace is left after: {refused[-1]}"
        else:
            return refused


class _Refusing:
    """Lets as many writing statements pass as were refused before, and refuses the next one."""

    def __init__(self, refused: list[str]) -> None:
        self._refused, self._passing = refused, len(refused)

    def __call__(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith(WRITES):
            self._passing -= 1
            if self._passing == -1:
                self._refused.append(sql)
                raise OperationalError("database or disk is full")
        return execute(sql, *rest)
