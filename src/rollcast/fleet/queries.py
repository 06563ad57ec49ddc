"""What others read of the inventory."""

from __future__ import annotations

from typing import Any

from rollcast.engine.problems import InputError, Problem, gettext_noop
from rollcast.engine.selector import parse_selector
from rollcast.fleet.models import Host, KeyState
from rollcast.remote.connector import HostSpec


def select_hosts(selector_text: str) -> list[Host]:
    """The selected hosts in name order; InputError for a bad selector or one that selects nothing."""
    selector = parse_selector(selector_text)
    hosts = sorted(Host.objects.select_related("credential"), key=lambda host: host.name)
    selected = [host for host in hosts if selector.matches(host.name, host.labels)]
    if selected:
        return selected
    cure = gettext_noop("Look at the hosts' names and labels on the fleet page.")
    if not hosts:
        cure = gettext_noop("The fleet is empty: import hosts first (rollcast hosts import FILE.csv).")
    raise InputError(
        Problem(
            "selection_empty",
            gettext_noop("“%(selector)s” selects none of %(hosts)d hosts."),
            {"selector": selector_text or "*", "hosts": len(hosts)},
            cure,
            field="selector",
        )
    )


def host_spec(host: Host) -> HostSpec:
    """How to reach the host, with the keys that a person trusts and no others."""
    keys = sorted((key for key in host.keys.all() if key.state == KeyState.PINNED), key=lambda key: key.pk)
    return HostSpec(
        name=host.name,
        address=host.address,
        port=host.port,
        username=host.username,
        key_file=host.key_file or None,
        host_keys=tuple(key.key for key in keys),
        connector="local" if host.connector == "local" else "ssh",
        encoding=host.encoding,
    )


def fleet_rows() -> list[dict[str, Any]]:
    """Every host with its keys, in name order, as plain values for pages, API and CLI."""
    hosts = Host.objects.select_related("credential").prefetch_related("keys")
    return [_row(host) for host in sorted(hosts, key=lambda host: host.name)]


def host_row(name: str) -> dict[str, Any] | None:
    """One host as in `fleet_rows`; None if there is none of that name."""
    host = Host.objects.select_related("credential").prefetch_related("keys").filter(name=name).first()
    return None if host is None else _row(host)


def _row(host: Host) -> dict[str, Any]:
    keys = list(host.keys.all())
    return {
        "name": host.name,
        "address": host.address,
        "port": host.port,
        "user": host.username,
        "key_file": host.key_file,
        "labels": dict(sorted(host.labels.items())),
        "connector": host.connector,
        "encoding": host.encoding,
        "keys": [
            {
                "algorithm": key.algorithm,
                "fingerprint": key.fingerprint,
                "state": key.state,
                "seen_at_ms": int(key.seen_at.timestamp() * 1000),
                "decided_at_ms": int(key.decided_at.timestamp() * 1000) if key.decided_at else None,
                "decided_by": key.decided_by,
            }
            for key in keys
        ],
        "pinned": sum(key.state == KeyState.PINNED for key in keys),
        "pending": sum(key.state == KeyState.PENDING for key in keys),
    }
