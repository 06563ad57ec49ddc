"""livefeed: a durable, resumable live feed for Django projects.

The public names are resolved when they are first used: models can only be imported once Django's app registry
stands, and `INSTALLED_APPS += ["livefeed"]` imports this module before that.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livefeed.log import (
        Chunk,
        FeedNotFound,
        FeedState,
        Result,
        aappend,
        append,
        append_many,
        close,
        head,
        instance_epoch,
        mark,
        marks,
        reopen,
    )
    from livefeed.pages import Page, read

__all__ = [
    "Chunk",
    "FeedNotFound",
    "FeedState",
    "Page",
    "Result",
    "aappend",
    "append",
    "append_many",
    "close",
    "head",
    "instance_epoch",
    "mark",
    "marks",
    "read",
    "reopen",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("livefeed.pages" if name in {"Page", "read"} else "livefeed.log"), name)
