"""Which host key does a host show? Asked before anybody trusts it, without signing in."""

from __future__ import annotations

import asyncio

import asyncssh

from rollcast.remote.connector import HostSpec
from rollcast.remote.connectors.ssh_keys import key_text, kinds_wanted, pinned_keys
from rollcast.remote.errors import Unreachable


async def presented_key(spec: HostSpec, timeout_s: float) -> str:
    """The key that the host's SSH server shows, "ssh-ed25519 AAAA…"; of a pinned kind if it has one.

    Nothing is sent but the handshake: no user, no key of ours. Raises Unreachable when none came in time.
    """
    where = f"{spec.name} ({spec.address}:{spec.port})"
    try:
        async with asyncio.timeout(timeout_s):
            key = await asyncssh.get_server_host_key(
                spec.address, spec.port, config=None, server_host_key_algs=kinds_wanted(pinned_keys(spec))
            )
    except TimeoutError as error:
        raise Unreachable(f"{where} did not show a key within {timeout_s:g} s") from error
    except (OSError, asyncssh.Error) as error:
        raise Unreachable(f"{where} cannot be reached by SSH: {error}") from error
    if key is None:
        raise Unreachable(f"{where} showed no host key")
    return key_text(key)
