"""`manage.py rollcast_worker`: one worker as a process of its own."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from typing_extensions import override

from rollcast.worker.run import WorkerProcess


class Command(BaseCommand):
    """Works on rollouts until SIGTERM or SIGINT; then hands its leases over."""

    help = "Carry out rollouts: any number of workers may run on the same database."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", default=None, help="the first part of this worker's name")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        asyncio.run(_run(WorkerProcess(options["name"])))


async def _run(worker: WorkerProcess) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_no in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_no, stop.set)
    await worker.run(stop)
