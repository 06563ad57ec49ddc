"""Epochs: say that a history is not the one that clients have seen.

A cursor is good within one history only. A database restored from a backup stands before events that clients
have applied already; what is appended next gets their numbers. Nothing in such a database shows that, so
whoever restores it rotates the installation's epoch: from then on every cursor of before is answered by
`reset: epoch`. One feed alone is rotated when its rows were repaired or replaced by hand.

Whoever else names things by the epoch begins anew with it, too (Rollcast: the folders of steps on hosts).
"""

from __future__ import annotations

import secrets

from django.db import transaction

from livefeed import doorbell
from livefeed.log import FeedNotFound, instance_epoch
from livefeed.models import Feed, Instance


def rotate_epoch(feed: str | None = None) -> str:
    """Give the feed, or without one the installation and so every feed, a new epoch; answers it.

    Events and numbers stay. Whoever is connected is told at once. Raises FeedNotFound.
    """
    epoch = secrets.token_hex(6)
    with transaction.atomic(savepoint=False):
        if feed is None:
            instance_epoch()  # there may be none yet
            changed = Instance.objects.filter(pk=1).update(epoch=epoch)
        else:
            changed = Feed.objects.filter(key=feed).update(epoch=epoch)
        doorbell.ring_after_commit(feed)
    # Outside of the block: an exception inside would spoil the caller's transaction.
    if not changed:
        raise FeedNotFound(str(feed))
    return epoch
