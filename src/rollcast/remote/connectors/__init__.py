"""The ways to reach a host. `open_connection` is the one door to them."""

from __future__ import annotations

from rollcast.remote.connector import Connection, ConnectOptions, Connector, HostSpec

DEFAULT_OPTIONS = ConnectOptions()


def connector_for(spec: HostSpec, options: ConnectOptions = DEFAULT_OPTIONS) -> Connector:
    """The connector that `spec` names."""
    # Imported when needed: asyncssh costs a quarter of a second.
    if spec.connector == "local":
        from rollcast.remote.connectors.local import LocalConnector

        return LocalConnector(options)
    from rollcast.remote.connectors.ssh import SshConnector

    return SshConnector(options)


async def open_connection(spec: HostSpec, options: ConnectOptions = DEFAULT_OPTIONS) -> Connection:
    """Reach a host; raises Unreachable, AuthFailed, HostKeyUnknown or HostKeyChanged."""
    return await connector_for(spec, options).connect(spec)
