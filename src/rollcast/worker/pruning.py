"""A worker's spare time: output of rollouts that ended KEEP_OUTPUT_DAYS ago is pruned, a little at a time.

Each part is one short transaction on the worker's database thread, so that lines of rollouts under way wait
no longer than for that. Several workers may do it at once: each part is a no-op for whoever comes second.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError

from livefeed.retention import PAUSE_S
from rollcast.conf import option
from rollcast.rollouts import actions
from rollcast.worker.context import Context

log = logging.getLogger(__name__)


async def prune_old_output(context: Context) -> None:
    """Look every PRUNE_EVERY_S, for ever. A database that refuses is asked again next time."""
    while True:
        days = option("KEEP_OUTPUT_DAYS")
        if days:
            try:
                await _prune(context, datetime.fromtimestamp(context.clock(), UTC) - timedelta(days=days))
            except DatabaseError as error:
                log.warning("old output could not be pruned: %s", error)
        await asyncio.sleep(option("PRUNE_EVERY_S"))


async def _prune(context: Context, ended_before: datetime) -> None:
    while rollouts := await context.database(actions.with_old_output, ended_before):
        for rollout_id in rollouts:
            more = True
            while more:
                more = await context.database(actions.prune_output, rollout_id, ended_before)
                await asyncio.sleep(PAUSE_S)  # the turn of other processes that write
