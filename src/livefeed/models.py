"""The rows of the log, written by `livefeed.log` only. `seq` counts a feed's events from 1, without gaps."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from typing_extensions import override


class Instance(models.Model):
    """One row: the installation. Its epoch is part of every feed's; it changes when a backup is restored."""

    epoch = models.CharField(max_length=32)
    rights = models.BigIntegerField(default=0)  # livefeed.rights: counts the changes that were told
    rights_of = models.CharField(max_length=1024, default="")  # whom the last of them concern, newest first

    @override
    def __str__(self) -> str:
        return self.epoch


class Feed(models.Model):
    """An ordered, gap-free list of events. Its row is the lock under which seq is given."""

    key = models.CharField(max_length=200, unique=True)
    epoch = models.CharField(max_length=32)
    first = models.BigIntegerField(default=1)  # oldest seq kept
    head = models.BigIntegerField(default=0)  # newest seq, 0 = empty
    frames = models.BigIntegerField(default=0)  # frames ever written: says when an index row is due
    closed_at = models.DateTimeField(null=True, blank=True)

    @override
    def __str__(self) -> str:
        return self.key


class Lane(models.Model):
    """A named part of a feed. `no` is its short name inside frame indexes and goes nowhere else."""

    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="lanes")
    no = models.PositiveIntegerField()
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["feed", "key"], name="livefeed_lane_key"),
            models.UniqueConstraint(fields=["feed", "no"], name="livefeed_lane_no"),
        ]

    @override
    def __str__(self) -> str:
        return self.name or self.key


class Frame(models.Model):
    """What one append stored: events `first … last` as one compressed body."""

    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="+", db_index=False)
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    at_ms = models.BigIntegerField()  # Unix time in milliseconds
    codec = models.PositiveSmallIntegerField()  # livefeed.frames: how `body` is to be read
    lanes = models.BinaryField()  # numbers of the lanes that occur, u32 little-endian
    body = models.BinaryField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["feed", "last"], name="livefeed_frame_last")]

    @override
    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


class FrameIndex(models.Model):
    """Which of 64 consecutive frames hold which lane, so that one lane is read without decoding them all."""

    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="+", db_index=False)
    last = models.BigIntegerField()  # last seq of its last frame
    body = models.BinaryField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["feed", "last"], name="livefeed_index_last")]

    @override
    def __str__(self) -> str:
        return str(self.last)


class Origin(models.Model):
    """How far somebody who writes into a feed is stored there: for a journal, the offset in bytes."""

    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=200)
    mark = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["feed", "key"], name="livefeed_origin_key")]

    @override
    def __str__(self) -> str:
        return f"{self.key} {self.mark}"
