"""What every part of a worker shares."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rollcast.conf import option
from rollcast.remote.connector import Connection, ConnectOptions, HostSpec
from rollcast.rollouts.leases import Trust
from rollcast.worker.database import Database
from rollcast.worker.recorder import Recorder

Connect = Callable[[HostSpec, ConnectOptions], Awaitable[Connection]]


@dataclass(frozen=True)
class Context:
    """What one worker has. `epoch` is the installation's; `wake` makes the sweep look at once."""

    worker_id: int
    epoch: str
    database: Database
    recorder: Recorder
    trust: Trust
    connect: Connect
    wake: Callable[[], None]
    # Seconds since 1970, of the worker's own clock: `wait` steps and deadlines count by it.
    clock: Callable[[], float] = time.time


def connect_options() -> ConnectOptions:
    """The limits of a connection, from the settings."""
    return ConnectOptions(
        connect_timeout_s=option("CONNECT_TIMEOUT_S"),
        login_timeout_s=option("LOGIN_TIMEOUT_S"),
        keepalive_s=option("KEEPALIVE_S"),
        handshakes=option("HANDSHAKES"),
    )
