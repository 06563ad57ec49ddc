"""The rival of `livefeed.append`: a row a line, as one would write it with Django's ORM.

To be imported once Django is set up. A row
holds what an event of a feed holds (docs/protocol.md, section 2); there is one unique index, on the number.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from django.db import connection, models, transaction
from django.utils import timezone
from typing_extensions import override


class Log(models.Model):
    """What a feed is to us: its row is the lock under which numbers are given."""

    objects: ClassVar[models.Manager[Log]] = models.Manager()
    head = models.BigIntegerField(default=0)

    class Meta:
        app_label = "bench"

    @override
    def __str__(self) -> str:
        return str(self.pk)


class Line(models.Model):
    """One line, with the fields of an event."""

    objects: ClassVar[models.Manager[Line]] = models.Manager()
    log = models.ForeignKey(Log, on_delete=models.CASCADE, related_name="+", db_index=False)
    seq = models.BigIntegerField()
    at = models.DateTimeField()
    lane = models.CharField(max_length=64)
    kind = models.CharField(max_length=64)
    origin = models.CharField(max_length=200)
    text = models.TextField()

    class Meta:
        app_label = "bench"
        constraints: ClassVar = [models.UniqueConstraint(fields=["log", "seq"], name="bench_line_seq")]

    @override
    def __str__(self) -> str:
        return self.text


class Rival:
    """Stores ticks as rows."""

    def __init__(self) -> None:
        with connection.schema_editor() as editor:
            editor.create_model(Log)
            editor.create_model(Line)
        self._log = Log.objects.create()
        self.lines = 0

    def store(self, tick: Sequence[tuple[int, list[str]]]) -> None:
        """The tick's lines in one transaction."""
        now = timezone.now()
        count = sum(len(texts) for _, texts in tick)
        with transaction.atomic():
            seq = self._take(count)
            rows = []
            for origin, texts in tick:
                for text in texts:
                    seq += 1
                    rows.append(self._line(seq, now, origin, text))
            Line.objects.bulk_create(rows)
        self.lines += count

    def store_one_by_one(self, tick: Sequence[tuple[int, list[str]]]) -> None:
        """The tick's lines, each in a transaction of its own."""
        for origin, texts in tick:
            for text in texts:
                with transaction.atomic():
                    self._line(self._take(1) + 1, timezone.now(), origin, text).save(force_insert=True)
                self.lines += 1

    def _line(self, seq: int, now: datetime, origin: int, text: str) -> Line:
        return Line(
            log_id=self._log.pk,
            seq=seq,
            at=now,
            lane=f"t{origin}",
            kind="line",
            origin=f"t{origin}/s0/a1",
            text=text,
        )

    def count(self) -> int:
        """Rows that are there."""
        return Line.objects.count()

    def _take(self, count: int) -> int:
        """The last number given before these."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE bench_log SET head = head + %s WHERE id = %s RETURNING head", [count, self._log.pk]
            )
            head: int = cursor.fetchall()[0][0]
        return head - count
