"""Every change of the inventory, each in one transaction with its audit entry.

Promise: an import is done whole or not at all, and no key is trusted but by a person's file or decision. Why
true: all rows are checked before the first is written, in one transaction; `note_seen_key` can only write
`pending`. What would break it: pinning in `note_seen_key`, or a second writer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from rollcast.access import audit
from rollcast.conf import option
from rollcast.engine.problems import InputError, Problem, gettext_noop, listed, nearest
from rollcast.fleet.host_keys import HostKeyText, parse_host_key
from rollcast.fleet.importers import read_inventory
from rollcast.fleet.models import Credential, Host, HostKey, KeyState
from rollcast.fleet.queries import host_spec
from rollcast.fleet.rows import HostRow, RawRow, check_rows
from rollcast.remote.errors import RemoteError
from rollcast.remote.probe import presented_key


@dataclass
class ImportReport:
    """The names of the hosts that an import created, changed, or found as they are."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def import_hosts(text: str, filename: str, actor: str) -> ImportReport:
    """Import an inventory file (CSV or YAML by the name's ending); InputError with file, line and field."""
    return _import(check_rows(read_inventory(text, filename), filename), filename, actor)


def import_host_rows(rows: Sequence[Mapping[str, str]], source: str, actor: str) -> ImportReport:
    """Import rows of text with the columns of an inventory file; `source` stands for its name in messages."""
    raws = [RawRow(dict(row), place=f"hosts[{index}]") for index, row in enumerate(rows)]
    return _import(check_rows(raws, source), source, actor)


def trust_host(name: str, actor: str, fingerprint: str | None = None) -> HostKey:
    """Pin the key that waits for a decision; the keys pinned before are revoked.

    With a `fingerprint` exactly that key is pinned, also a revoked one. InputError if there is no such
    host, no such key, or, without a fingerprint, not exactly one that waits.
    """
    with transaction.atomic():
        host = _host(name)
        key = _key_to_decide(host, fingerprint, (KeyState.PENDING, KeyState.REVOKED, KeyState.PINNED))
        _replace_pinned(host, [key], actor)
        audit.record(actor, "host.trusted", f"host/{host.name}", {"fingerprint": key.fingerprint})
        key.refresh_from_db()
        return key


def refuse_key(name: str, actor: str, fingerprint: str | None = None) -> HostKey:
    """Refuse the key that waits for a decision, or the pinned one of that fingerprint; it becomes revoked."""
    with transaction.atomic():
        host = _host(name)
        key = _key_to_decide(host, fingerprint, (KeyState.PENDING, KeyState.PINNED))
        _decide([key], KeyState.REVOKED, actor)
        audit.record(actor, "host.refused", f"host/{host.name}", {"fingerprint": key.fingerprint})
        return key


def look_at_host(name: str, actor: str) -> HostKey:
    """Ask the host for the key that it shows now, and remember it; nothing is trusted by that.

    The row answered is `pending` if a person has to decide, else what was decided about that key before.
    Takes up to CONNECT_TIMEOUT_S plus LOGIN_TIMEOUT_S seconds. InputError if there is no such host or it
    shows no key.
    """
    host = _host(name)
    try:
        seen = asyncio.run(
            presented_key(host_spec(host), option("CONNECT_TIMEOUT_S") + option("LOGIN_TIMEOUT_S"))
        )
    except RemoteError as error:
        template = gettext_noop("No host key was seen: %(error)s.")
        cure = gettext_noop("Check its address and port, and that an SSH server listens there.")
        params = {"error": error.message.rstrip(".")}
        raise InputError(Problem("host_unreachable", template, params, cure, field="name")) from error
    with transaction.atomic():
        key = note_seen_key(host.pk, seen)
        audit.record(actor, "host.looked_at", f"host/{host.name}", {"fingerprint": key.fingerprint})
    return key


def note_seen_key(host_id: int, key_text: str) -> HostKey:
    """Remember a key that a host showed and that is not pinned, for a person to decide; returns its row.

    A key that is pinned or revoked already keeps its state: seeing it again decides nothing.
    """
    key = parse_host_key(key_text)
    row, created = HostKey.objects.get_or_create(
        host_id=host_id,
        key=key.key,
        defaults={
            "algorithm": key.algorithm,
            "fingerprint": key.fingerprint,
            "state": KeyState.PENDING,
            "seen_at": timezone.now(),
        },
    )
    if not created:
        row.seen_at = timezone.now()
        row.save(update_fields=["seen_at"])
    return row


def _import(rows: Sequence[HostRow], source: str, actor: str) -> ImportReport:
    report = ImportReport()
    with transaction.atomic():
        known = {host.name: host for host in Host.objects.select_related("credential")}
        credentials = {credential.name: credential for credential in Credential.objects.all()}
        for row in rows:
            host = known.get(row.name)
            created = host is None
            if host is None:
                host = Host(name=row.name)
            changed = _apply(host, row, credentials)
            if changed or created:
                host.save()
            keys_changed = _pin(host, row.keys, actor)
            if created:
                report.created.append(row.name)
            elif changed or keys_changed:
                report.updated.append(row.name)
            else:
                report.unchanged.append(row.name)
        detail = {"file": source, "created": len(report.created), "updated": len(report.updated)}
        audit.record(actor, "hosts.imported", "hosts", detail)
    return report


def _apply(host: Host, row: HostRow, credentials: dict[str, Credential]) -> bool:
    """Bring the host to what the row says; whether that changed anything."""
    wanted: dict[str, object] = {"address": row.address}
    if row.port is not None:
        wanted["port"] = row.port
    if row.user is not None:
        wanted["username"] = row.user
    if row.labels is not None:
        wanted["labels"] = dict(row.labels)
    if row.encoding is not None:
        wanted["encoding"] = row.encoding
    if row.key_file is not None:
        wanted["credential"] = _credential(row.key_file, credentials)
    changed = {name: value for name, value in wanted.items() if getattr(host, name) != value}
    for name, value in changed.items():
        setattr(host, name, value)
    return bool(changed)


def _credential(key_file: str, credentials: dict[str, Credential]) -> Credential | None:
    """The credential of that key file, made if there is none; None for no key file."""
    if not key_file:
        return None
    if key_file not in credentials:
        credentials[key_file] = Credential.objects.create(name=key_file[:200], key_file=key_file)
    return credentials[key_file]


def _pin(host: Host, keys: Sequence[HostKeyText], actor: str) -> bool:
    """Make `keys` the host's pinned ones (none given: leave them); whether that changed anything."""
    if not keys:
        return False
    pinned = set(host.keys.filter(state=KeyState.PINNED).values_list("key", flat=True))
    if pinned == {key.key for key in keys}:
        return False
    now = timezone.now()
    rows = [
        HostKey.objects.get_or_create(
            host=host,
            key=key.key,
            defaults={
                "algorithm": key.algorithm,
                "fingerprint": key.fingerprint,
                "state": KeyState.PENDING,
                "seen_at": now,
            },
        )[0]
        for key in keys
    ]
    _replace_pinned(host, rows, actor)
    return True


def _replace_pinned(host: Host, keys: Sequence[HostKey], actor: str) -> None:
    """Pin `keys` and revoke what else was pinned."""
    kept = [key.pk for key in keys]
    _decide(list(host.keys.filter(state=KeyState.PINNED).exclude(pk__in=kept)), KeyState.REVOKED, actor)
    _decide([key for key in keys if key.state != KeyState.PINNED], KeyState.PINNED, actor)


def _decide(keys: Sequence[HostKey], state: KeyState, actor: str) -> None:
    for key in keys:
        key.state, key.decided_at, key.decided_by = state, timezone.now(), actor
        key.save(update_fields=["state", "decided_at", "decided_by"])


def _host(name: str) -> Host:
    host = Host.objects.filter(name=name).first()
    if host is not None:
        return host
    meant = nearest(name, list(Host.objects.values_list("name", flat=True)))
    raise InputError(
        Problem(
            "host_unknown",
            gettext_noop("There is no host “%(name)s”."),
            {"name": name, "meant": meant or ""},
            gettext_noop("Did you mean %(meant)s?") if meant else gettext_noop("Import it first."),
            field="name",
        )
    )


def _key_to_decide(host: Host, fingerprint: str | None, states: Sequence[KeyState]) -> HostKey:
    keys = list(host.keys.filter(state__in=states))
    if fingerprint is None:
        found = [key for key in keys if key.state == KeyState.PENDING]
    else:
        found = [key for key in keys if key.fingerprint == fingerprint.strip()]
    if len(found) == 1:
        return found[0]
    if fingerprint is None and not found:
        template = gettext_noop("No key of “%(name)s” waits for a decision.")
        cure = gettext_noop("Look at the host first: it then shows its key.")
        code = "key_none_pending"
    elif fingerprint is None:
        template = gettext_noop("%(n)d keys of “%(name)s” wait for a decision.")
        cure = gettext_noop("Name one by its fingerprint: %(known)s.")
        code = "key_several_pending"
    else:
        template = gettext_noop("“%(name)s” never showed a key with the fingerprint %(fingerprint)s.")
        cure = gettext_noop("Compare it with the keys that are known: %(known)s.")
        code = "key_unknown"
    params = {
        "name": host.name,
        "n": len(found),
        "fingerprint": fingerprint or "",
        "known": listed(key.fingerprint for key in keys) or "–",
    }
    raise InputError(Problem(code, template, params, cure, field="fingerprint"))
