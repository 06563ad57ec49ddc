"""livefeed: a durable, resumable live feed for Django projects.

    import livefeed
    from livefeed import Chunk

    livefeed.append("report/7", [Chunk("report", "line", ["Chapter 1 is written."])])
    livefeed.close("report/7")

and in a template `{% load livefeed %}{% livefeed "report/7" %}`. docs/livefeed.md leads there by copying.

`append`, `append_many`, `read`, `head`, `mark`, `marks`, `close` and `reopen` are plain functions, for views,
threads, tasks and commands; `aappend`, `aread`, `ahead`, `amark`, `aclose` and `areopen` are for coroutines.

The names are resolved when they are first used: models can only be imported once Django's app registry
stands, and `INSTALLED_APPS += ["livefeed"]` imports this module before that.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from livefeed.connections import drain
    from livefeed.coroutines import aappend, aclose, ahead, amark, aread, areopen
    from livefeed.epochs import rotate_epoch
    from livefeed.log import (
        Chunk,
        FeedNotFound,
        FeedState,
        Result,
        append,
        append_many,
        close,
        head,
        instance_epoch,
        mark,
        marks,
        reopen,
    )
    from livefeed.pages import EventsPruned, Page, read
    from livefeed.retention import FeedOpen, Pruned, delete, prune
    from livefeed.rights import rights_changed

__all__ = [
    "Chunk",
    "EventsPruned",
    "FeedNotFound",
    "FeedOpen",
    "FeedState",
    "Page",
    "Pruned",
    "Result",
    "aappend",
    "aclose",
    "ahead",
    "amark",
    "append",
    "append_many",
    "aread",
    "areopen",
    "close",
    "delete",
    "drain",
    "head",
    "instance_epoch",
    "mark",
    "marks",
    "prune",
    "read",
    "reopen",
    "rights_changed",
    "rotate_epoch",
]
# Names of other modules than `livefeed.log`.
_HOMES: Final = {
    **dict.fromkeys(("EventsPruned", "Page", "read"), "livefeed.pages"),
    **dict.fromkeys(("FeedOpen", "Pruned", "delete", "prune"), "livefeed.retention"),
    **dict.fromkeys(("aappend", "aclose", "ahead", "amark", "aread", "areopen"), "livefeed.coroutines"),
    "drain": "livefeed.connections",
    "rights_changed": "livefeed.rights",
    "rotate_epoch": "livefeed.epochs",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "livefeed.log")), name)
