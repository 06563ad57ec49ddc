"""`manage.py livefeed_rotate_epoch`: the last step of restoring a backup."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from livefeed.epochs import rotate_epoch
from livefeed.log import FeedNotFound, head

_ALL: Final = """\
This gives the installation a new epoch. Do it once after its database was restored from a backup: every
client, connected or not, is then told to forget what it has and to begin anew. Nothing is deleted.
Without it, clients that have seen events newer than the backup would take other events for them.
Whatever else goes by the epoch begins anew, too: stop whoever writes, do this, start them again."""
_ONE: Final = """\
This gives the feed {feed} a new epoch: whoever follows it is told to forget what it has and to begin anew.
Nothing is deleted. After restoring a whole database give no key: the installation's is to be rotated."""


class Command(BaseCommand):
    """Explains what it does, and does it after a typed yes or with `--yes`."""

    help = "Give a feed, or the installation, a new epoch: the step after restoring a backup."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", nargs="?", help="one feed only (default: the installation, so every feed)")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        key: str | None = options["key"]
        try:
            if key is not None:
                head(key)
            self.stdout.write(_ALL if key is None else _ONE.format(feed=key))
            if not options["yes"] and input("Type yes to go on: ").strip() != "yes":
                raise CommandError("Nothing was changed.")
            epoch = rotate_epoch(key)
        except EOFError as error:
            raise CommandError("Nobody answered, nothing was changed: say --yes.") from error
        except FeedNotFound as error:
            raise CommandError(f"There is no feed {key!r}.") from error
        self.stdout.write(f"The epoch of {'the installation' if key is None else key} is now {epoch}.")
