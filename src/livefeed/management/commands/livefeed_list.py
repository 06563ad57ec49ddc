"""`manage.py livefeed_list`: the feeds of this installation."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from typing_extensions import override

from livefeed.models import Feed


class Command(BaseCommand):
    """A feed a line, by key."""

    help = "List the feeds: key, oldest event kept, newest event, open or closed."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("prefix", nargs="?", default="", help="only keys that begin like this: report/")
        parser.add_argument("--json", action="store_true", help="a feed a line, as a JSON object")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        rows = Feed.objects.filter(key__startswith=options["prefix"]).order_by("key")
        for key, first, head, closed_at in rows.values_list("key", "first", "head", "closed_at").iterator():
            if options["json"]:
                feed = {"feed": key, "first": first, "head": head, "closed": closed_at is not None}
                self.stdout.write(json.dumps(feed))
            else:
                self.stdout.write(f"{key}  {first}…{head}  {'closed' if closed_at else 'open'}")
