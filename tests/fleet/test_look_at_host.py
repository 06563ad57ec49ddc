"""Looking at a host before anybody trusts it: its key is asked for, and trusted by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollcast.access.models import AuditEntry
from rollcast.cli import main
from rollcast.engine.problems import InputError
from rollcast.fleet.actions import import_host_rows, look_at_host, note_seen_key, trust_host
from rollcast.fleet.models import Host, HostKey
from rollcast.fleet.queries import host_spec
from tests.demo.fleets import RunningFleet, running_fleet
from tests.fleet import keys

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet"), hosts=1) as one:
        yield one


@pytest.fixture
def host(fleet: RunningFleet) -> Host:
    import_host_rows([{**fleet.rows[0], "host_key": "", "name": "new-01"}], "rows", "cli:olga")
    return Host.objects.get()


def test_the_key_that_a_host_shows_waits_for_a_person(host: Host, fleet: RunningFleet) -> None:
    key = look_at_host("new-01", "user:olga")
    assert (key.state, key.key) == ("pending", " ".join(fleet.rows[0]["host_key"].split()[:2]))
    assert host_spec(host).host_keys == ()
    assert AuditEntry.objects.get(verb="host.looked_at").detail == {"fingerprint": key.fingerprint}


def test_a_trusted_key_stays_trusted(host: Host, fleet: RunningFleet) -> None:
    import_host_rows([{**fleet.rows[0], "name": "new-01"}], "rows", "cli:olga")
    assert look_at_host("new-01", "user:olga").state == "pinned"


def test_a_host_that_does_not_answer_says_where_and_what_to_check(host: Host) -> None:
    Host.objects.update(port=1)
    with pytest.raises(InputError) as raised:
        look_at_host("new-01", "user:olga")
    assert "new-01 (127.0.0.1:1) cannot be reached by SSH" in str(raised.value)
    assert "address and port" in str(raised.value)
    assert not HostKey.objects.exists()


def test_the_command_line_shows_a_new_key_and_trusts_it_by_its_fingerprint(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rollcast.config.boot.configure", lambda home, **_: None)

    def trust(*more: str) -> tuple[int, Any]:
        code = main(["hosts", "trust", "new-01", *more, "--home", str(tmp_path)])
        return code, capsys.readouterr()

    for _ in range(2):  # the arrow key is no comparison
        code, said = trust()
        key = HostKey.objects.get()
        assert (code, key.state) == (2, "pending")
        assert f"rollcast hosts trust new-01 --fingerprint {key.fingerprint}" in said.err
    assert trust("--fingerprint", "SHA256:another")[0] == 2
    code, said = trust("--fingerprint", key.fingerprint)
    assert code == 0
    assert key.fingerprint in said.out
    assert host_spec(host).host_keys == (key.key,)


def test_the_command_line_warns_of_a_changed_key(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rollcast.config.boot.configure", lambda home, **_: None)
    old = note_seen_key(host.pk, keys.ED25519)
    trust_host("new-01", "cli:olga", old.fingerprint)
    assert main(["hosts", "trust", "new-01", "--home", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "THE KEY OF new-01 HAS CHANGED" in said
    assert keys.ED25519_FINGERPRINT in said
    old.refresh_from_db()
    assert old.state == "pinned"
