"""`manage.py livefeed_tail report/7`: what is in a feed, and with `--follow` what comes into it."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import unicodedata
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from livefeed.frames import Group
from livefeed.log import FeedNotFound
from livefeed.models import Lane
from livefeed.tail import Batch, Cursor, CursorForeign, batches

# What a shell says of a program that Ctrl-C has ended.
INTERRUPTED = 130
# Lanes named where one was asked for that is not there.
NAMED_LANES = 20


class Command(BaseCommand):
    """Prints events; what there is to say about them goes to stderr."""

    help = (
        "Print a feed's events: `seq  lane  text`. Ends at the head, with --follow when the feed is closed."
    )

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("feed", metavar="KEY", help="the feed: report/7")
        parser.add_argument(
            "--after",
            type=_cursor,
            default=Cursor(None, 0),
            metavar="N",
            help="begin behind this event; EPOCH:N, as this command says when it is interrupted, is exact",
        )
        parser.add_argument("--lane", help="print the events of this lane only")
        parser.add_argument("--follow", action="store_true", help="wait for more until the feed is closed")
        parser.add_argument("--json", action="store_true", help="an event a line, as a JSON object")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        self._cursor: Cursor = options["after"]
        try:
            self._know_lane(options["feed"], options["lane"])
            found = batches(options["feed"], self._cursor, lane=options["lane"], follow=options["follow"])
            with _interrupts() as self._interrupts:
                for batch in found:
                    self._print(batch, _as_json if options["json"] else _as_text)
        except FeedNotFound:
            raise CommandError(f"There is no feed {options['feed']!r}. See `livefeed_list`.") from None
        except CursorForeign:
            cure = "begin anew, without --after"
            raise CommandError(
                f"This cursor is of another feed than the one that is there: {cure}."
            ) from None
        except BrokenPipeError:
            # Nobody reads on (`| head`); Python would complain once more when it flushes at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except KeyboardInterrupt:
            if self._cursor.epoch is not None:
                self.stderr.write(f"Go on with --after {self._cursor.epoch}:{self._cursor.seq}")
            sys.exit(INTERRUPTED)

    def _know_lane(self, feed: str, lane: str | None) -> None:
        if lane is None or Lane.objects.filter(feed__key=feed, key=lane).exists():
            return
        keys = Lane.objects.filter(feed__key=feed).order_by("no").values_list("key", flat=True)
        named = ", ".join(_visible(key) for key in keys[:NAMED_LANES])
        self.stderr.write(f"There is no lane {lane!r} so far. Lanes: {named or 'none'}")

    def _print(self, batch: Batch, shown: Callable[[Group], Iterator[str]]) -> None:
        epoch = batch.cursor.epoch
        if batch.lost:
            self.stderr.write(f"{batch.lost} events before these are no longer kept.")
        for group in batch.groups:
            for seq, line in enumerate(shown(group), group[4]):
                with self._interrupts.held_back():
                    self.stdout.write(line)
                    self._cursor = Cursor(epoch, seq)
        self._cursor = batch.cursor
        self.stdout.flush()


class _Interrupts:
    """Ctrl-C, which must not come between a line and the cursor behind it: it would be printed once more."""

    def __init__(self) -> None:
        self._holding = self._held = False

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """One that comes in here is raised at the end; a second one at once, as the line may be stuck."""
        self._holding = True
        yield
        self._holding = False
        if self._held:
            raise KeyboardInterrupt

    def came(self, _signal: int, _frame: FrameType | None) -> None:
        """The handler of SIGINT."""
        if not self._holding or self._held:
            raise KeyboardInterrupt
        self._held = True


@contextmanager
def _interrupts() -> Iterator[_Interrupts]:
    interrupts = _Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    known = signal.signal(signal.SIGINT, interrupts.came)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, known)


def _cursor(text: str) -> Cursor:
    epoch, _, seq = text.rpartition(":")
    if not (seq.isascii() and seq.isdecimal()):
        raise ArgumentTypeError(f"{text!r} is neither a number nor EPOCH:NUMBER")
    return Cursor(epoch or None, int(seq))


def _as_json(group: Group) -> Iterator[str]:
    lane, kind, origin, at, first, items = group
    for seq, data in enumerate(items, first):
        event = {"seq": seq, "at": at, "lane": lane, "kind": kind, "origin": origin, "data": data}
        yield json.dumps(event)


def _as_text(group: Group) -> Iterator[str]:
    lane, kind, _origin, _at, first, items = group
    for seq, data in enumerate(items, first):
        text = data.get("text") if isinstance(data, dict) else data
        if kind not in {"line", "cont"} or not isinstance(text, str):
            text = f"{kind} {json.dumps(data, ensure_ascii=False)}"
        yield f"{seq}  {_visible(lane)}  {_visible(text)}{'…' if kind == 'cont' else ''}"


def _visible(text: str) -> str:
    r"""Text that cannot steer the terminal of whoever looks: control characters as `\x1b`."""
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character)[0] == "C" and character != "\t"
        else character
        for character in text
    )
