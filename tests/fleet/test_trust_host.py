"""Host keys are trusted by people: from being seen to being pinned, refused, replaced."""

from __future__ import annotations

import pytest

from rollcast.access.models import AuditEntry
from rollcast.engine.problems import InputError
from rollcast.fleet.actions import import_hosts, note_seen_key, refuse_key, trust_host
from rollcast.fleet.models import Host, HostKey
from rollcast.fleet.queries import host_spec
from tests.fleet import keys

pytestmark = pytest.mark.django_db


@pytest.fixture
def host() -> Host:
    import_hosts("name,address,user,key_file\neu-01,10.0.0.7,game,/k\n", "f.csv", "cli:olga")
    return Host.objects.get()


def test_a_key_that_was_only_seen_opens_nothing(host: Host) -> None:
    key = note_seen_key(host.pk, keys.ED25519)
    assert (key.state, key.fingerprint) == ("pending", keys.ED25519_FINGERPRINT)
    assert host_spec(host).host_keys == ()


def test_trusting_pins_the_waiting_key_and_says_who_did_it(host: Host) -> None:
    note_seen_key(host.pk, keys.ED25519)
    key = trust_host("eu-01", "user:olga")
    assert (key.state, key.decided_by) == ("pinned", "user:olga")
    assert host_spec(host).host_keys == (keys.ED25519,)
    entry = AuditEntry.objects.get(verb="host.trusted")
    assert (entry.actor, entry.subject) == ("user:olga", "host/eu-01")
    assert entry.detail == {"fingerprint": keys.ED25519_FINGERPRINT}


def test_a_changed_key_replaces_the_old_one_only_when_a_person_says_so(host: Host) -> None:
    note_seen_key(host.pk, keys.ED25519)
    trust_host("eu-01", "user:olga")
    note_seen_key(host.pk, keys.ECDSA)
    assert host_spec(host).host_keys == (keys.ED25519,)
    trust_host("eu-01", "user:olga", keys.ECDSA_FINGERPRINT)
    assert host_spec(host).host_keys == (keys.ECDSA,)
    assert HostKey.objects.get(fingerprint=keys.ED25519_FINGERPRINT).state == "revoked"


def test_seeing_a_decided_key_again_decides_nothing(host: Host) -> None:
    note_seen_key(host.pk, keys.ED25519)
    refuse_key("eu-01", "user:olga")
    assert note_seen_key(host.pk, keys.ED25519).state == "revoked"
    trust_host("eu-01", "user:olga", keys.ED25519_FINGERPRINT)
    assert note_seen_key(host.pk, keys.ED25519).state == "pinned"
    assert HostKey.objects.count() == 1


def test_refusing_takes_a_pinned_key_away(host: Host) -> None:
    note_seen_key(host.pk, keys.ED25519)
    trust_host("eu-01", "user:olga")
    refuse_key("eu-01", "user:paul", keys.ED25519_FINGERPRINT)
    assert host_spec(host).host_keys == ()
    assert AuditEntry.objects.filter(verb="host.refused", actor="user:paul").exists()


def test_a_spec_says_how_to_reach_the_host(host: Host) -> None:
    spec = host_spec(host)
    assert (spec.name, spec.address, spec.port, spec.username) == ("eu-01", "10.0.0.7", 22, "game")
    assert (spec.key_file, spec.connector, spec.encoding) == ("/k", "ssh", "utf-8")


@pytest.mark.parametrize(
    ("seen", "name", "fingerprint", "code", "says"),
    [
        ([], "eu-02", None, "host_unknown", "Did you mean eu-01?"),
        ([], "xyz", None, "host_unknown", "Import it first"),
        ([], "eu-01", None, "key_none_pending", "No key of “eu-01”"),
        ([keys.RSA, keys.ED25519], "eu-01", None, "key_several_pending", keys.RSA_FINGERPRINT),
        ([keys.RSA], "eu-01", keys.ED25519_FINGERPRINT, "key_unknown", keys.ED25519_FINGERPRINT),
    ],
)
def test_what_cannot_be_trusted_is_refused(
    host: Host, seen: list[str], name: str, fingerprint: str | None, code: str, says: str
) -> None:
    for key in seen:
        note_seen_key(host.pk, key)
    with pytest.raises(InputError) as refused:
        trust_host(name, "user:olga", fingerprint)
    problem = refused.value.problems[0]
    assert problem.code == code
    assert says in f"{problem.message} {problem.cure_text}"
    assert not HostKey.objects.filter(state="pinned").exists()
    assert not AuditEntry.objects.filter(verb="host.trusted").exists()
