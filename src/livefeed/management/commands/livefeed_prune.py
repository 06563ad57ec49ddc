"""`manage.py livefeed_prune`: remove the oldest events of feeds, or whole feeds that were closed long ago.

No setting says what is kept: that stands where this is called from time to time, as with `clearsessions`.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from typing_extensions import override

from livefeed.log import FeedNotFound
from livefeed.models import Feed
from livefeed.retention import FeedOpen, closed_before, delete, preview, prune

_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}


class Command(BaseCommand):
    """Prints a line for each feed from which something was removed, or with `--dry-run` would be."""

    help = (
        "Remove the oldest events of feeds, in whole frames; whoever still needs them is told. "
        "SQLite uses the room again, its file becomes smaller only by VACUUM."
    )

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", nargs="*", help="feeds; * stands for anything: 'report/*' (default: all)")
        parser.add_argument("--before-seq", type=int, metavar="N", help="remove what comes before event N")
        parser.add_argument(
            "--older-than", type=_age, metavar="AGE", help="remove what is older: 30d, 12h, 90m"
        )
        parser.add_argument("--keep", type=int, metavar="N", help="remove all but the newest N events")
        parser.add_argument(
            "--delete-closed",
            type=_age,
            metavar="AGE",
            help="delete feeds whole that were closed so long ago",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        limits = {"before": options["before_seq"], "keep": options["keep"]}
        limits["older_than"] = now - options["older_than"] if options["older_than"] else None
        limits = {name: limit for name, limit in limits.items() if limit is not None}
        age = options["delete_closed"]
        if not limits and age is None:
            raise CommandError("Say what may go: --before-seq, --older-than, --keep or --delete-closed.")
        if "before" in limits and len(options["key"]) != 1:
            raise CommandError("--before-seq counts in one feed: name that one.")
        if age is not None and not options["key"]:
            raise CommandError("--delete-closed takes feeds away whole: name them, or say 'report/*'.")
        keys = _feeds(options["key"])
        doomed = [] if age is None else [key for key in closed_before(now - age) if key in keys]
        removed = [self._delete(key, dry=options["dry_run"]) for key in doomed]
        if limits:
            left = [key for key in keys if key not in set(doomed)]
            removed += [self._prune(key, limits, dry=options["dry_run"]) for key in left]
        if not any(removed):
            self.stdout.write("Nothing to remove.")

    def _delete(self, key: str, *, dry: bool) -> bool:
        try:
            gone = preview(key, keep=0) if dry else delete(key)
        except (FeedNotFound, FeedOpen) as error:  # since we looked
            self.stderr.write(f"{key}: left alone, {error}")
            return False
        self.stdout.write(f"{key}: {_would(dry)}deleted whole, with its last {_n(gone.events, 'event')}")
        return True

    def _prune(self, key: str, limits: Mapping[str, Any], *, dry: bool) -> bool:
        try:
            gone = preview(key, **limits) if dry else prune(key, **limits)
        except FeedNotFound:  # since we looked
            return False
        except ValueError as error:
            raise CommandError(f"{str(error).capitalize()}.") from error
        if not gone.events and not gone.frames:
            return False
        kept = f"{gone.first} to {gone.head} are kept" if gone.first <= gone.head else "none is kept"
        gone_are = f"{_n(gone.events, 'event')} in {_n(gone.frames, 'frame')}"
        self.stdout.write(f"{key}: {gone_are} {_would(dry)}removed, {kept}")
        return True


def _n(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _would(dry: bool) -> str:
    return "would be " if dry else ""


def _age(text: str) -> timedelta:
    """`30d`, `12h` or `90m`."""
    found = re.fullmatch(r"(\d{1,6})([dhm])", text)
    if found is None or not int(found[1]):
        raise ArgumentTypeError(f"{text!r} is no age: a number and d, h or m, such as 30d, 12h, 90m")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _feeds(patterns: Sequence[str]) -> list[str]:
    """The keys that these patterns name, in order; CommandError for one that names none."""
    keys = list(Feed.objects.order_by("key").values_list("key", flat=True))
    idle = [pattern for pattern in patterns if not any(fnmatchcase(key, pattern) for key in keys)]
    if idle:
        raise CommandError(f"There is no feed {', '.join(map(repr, idle))}.")
    if not patterns:
        return keys
    return [key for key in keys if any(fnmatchcase(key, pattern) for pattern in patterns)]
