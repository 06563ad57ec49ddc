"""Importing an inventory: whole or not at all; every refusal names file, line, field; all is recorded."""

from __future__ import annotations

import pytest

from rollcast.access.models import AuditEntry
from rollcast.engine.problems import InputError
from rollcast.fleet.actions import ImportReport, import_host_rows, import_hosts
from rollcast.fleet.models import Credential, Host, HostKey
from rollcast.fleet.queries import fleet_rows
from tests.fleet import keys

pytestmark = pytest.mark.django_db

CSV = f"""\
name,address,port,user,key_file,labels,host_key,encoding
eu-01,10.0.0.7,2222,game,/keys/fleet,zone=eu tag=gate,{keys.ED25519},gb18030
us-01,us-01.example.net,,,,,,
"""
YAML = f"""\
hosts:
  - name: eu-01
    address: 10.0.0.7
    port: 2222
    user: game
    key file: /keys/fleet
    labels: {{zone: eu, tag: gate}}
    host_key: [{keys.ED25519}]
    encoding: GB18030
  - name: us-01
    address: us-01.example.net
"""


@pytest.mark.parametrize(("text", "filename"), [(CSV, "fleet.csv"), (YAML, "fleet.yaml")])
def test_csv_and_yaml_say_the_same(text: str, filename: str) -> None:
    report = import_hosts(text, filename, "cli:olga")
    assert report == ImportReport(created=["eu-01", "us-01"])
    eu, us = fleet_rows()
    assert (eu["address"], eu["port"], eu["user"], eu["key_file"]) == (
        "10.0.0.7",
        2222,
        "game",
        "/keys/fleet",
    )
    assert (eu["labels"], eu["encoding"], eu["connector"]) == (
        {"tag": "gate", "zone": "eu"},
        "gb18030",
        "ssh",
    )
    assert [(key["fingerprint"], key["state"]) for key in eu["keys"]] == [
        (keys.ED25519_FINGERPRINT, "pinned")
    ]
    assert (us["port"], us["user"], us["labels"], us["encoding"], us["keys"]) == (22, "", {}, "utf-8", [])
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.verb, entry.subject) == ("cli:olga", "hosts.imported", "hosts")
    assert entry.detail == {"file": filename, "created": 2, "updated": 0}


def test_a_second_import_changes_what_it_names_and_nothing_else() -> None:
    import_hosts(CSV, "fleet.csv", "cli:olga")
    report = import_hosts("name,address\neu-01,10.0.0.8\nus-01,us-01.example.net\n", "f.csv", "cli:olga")
    assert report == ImportReport(updated=["eu-01"], unchanged=["us-01"])
    host = Host.objects.get(name="eu-01")
    assert (host.address, host.port, host.labels) == ("10.0.0.8", 2222, {"zone": "eu", "tag": "gate"})
    assert HostKey.objects.get().state == "pinned"


def test_an_empty_cell_sets_a_property_back() -> None:
    import_hosts(CSV, "fleet.csv", "cli:olga")
    import_hosts(
        "name,address,port,user,labels,key_file,host_key\neu-01,10.0.0.7,,,,,\n", "f.csv", "cli:olga"
    )
    host = Host.objects.get(name="eu-01")
    assert (host.port, host.username, host.labels, host.key_file) == (22, "", {}, "")
    assert HostKey.objects.get().state == "pinned"  # an import never takes a key away without a new one


def test_a_key_in_a_file_replaces_the_pinned_one() -> None:
    import_hosts(CSV, "fleet.csv", "cli:olga")
    row = f"name,address,host_key\neu-01,10.0.0.7,{keys.ECDSA};{keys.RSA}\n"
    assert import_hosts(row, "f.csv", "cli:paul").updated == ["eu-01"]
    states = {key.fingerprint: (key.state, key.decided_by) for key in HostKey.objects.all()}
    assert states == {
        keys.ED25519_FINGERPRINT: ("revoked", "cli:paul"),
        keys.ECDSA_FINGERPRINT: ("pinned", "cli:paul"),
        keys.RSA_FINGERPRINT: ("pinned", "cli:paul"),
    }
    assert import_hosts(row, "f.csv", "cli:paul").unchanged == ["eu-01"]


def test_hosts_with_the_same_key_file_share_a_credential() -> None:
    import_hosts("name,address,key file\na,h,/k\nb,h,/k\nc,h,/other\n", "f.csv", "cli:olga")
    assert sorted(Credential.objects.values_list("key_file", flat=True)) == ["/k", "/other"]


def test_csv_of_a_spreadsheet_is_read() -> None:
    text = '\ufeffName;Address;Key-File;Labels\r\nbj-上海;10.0.0.7;;"zone=bj\r\ntag=gate"\r\n\r\n'
    assert import_hosts(text, "FLEET.CSV", "cli:olga").created == ["bj-上海"]
    assert Host.objects.get().labels == {"zone": "bj", "tag": "gate"}


def test_rows_of_a_program_are_imported_like_a_file() -> None:
    row = {
        "name": "eu-01",
        "address": "127.0.0.1",
        "port": "22001",
        "labels": "zone=eu",
        "host_key": keys.RSA,
    }
    assert import_host_rows([row], "demo", "cli:olga").created == ["eu-01"]
    assert import_host_rows([row], "demo", "cli:olga").unchanged == ["eu-01"]
    with pytest.raises(InputError, match=r"demo, hosts\[0\]\.port: “x” is no port"):
        import_host_rows([{**row, "port": "x"}], "demo", "cli:olga")


HEAD = "name,address,port,user,labels,host_key,encoding\n"
# file name, text, code, line, field, something that the message or cure must say
REFUSED = [
    ("hosts.txt", "a", "inventory_kind", None, None, ".csv or .yaml"),
    ("f.csv", "", "inventory_empty", None, None, "name and address"),
    ("f.csv", HEAD, "inventory_empty", None, None, "name and address"),
    ("f.csv", "host,address\na,b\n", "column_unknown", 1, "host", "Known: name, address"),
    ("f.csv", "name,adress\na,b\n", "column_unknown", 1, "adress", "Did you mean address?"),
    ("f.csv", "name,port\na,22\n", "column_missing", 1, "address", "first line names the columns"),
    ("f.csv", "name,address,name\na,b,c\n", "column_twice", 1, "name", "Keep one"),
    ("f.csv", "name,address\na,b,zone=eu\n", "too_many_cells", 2, None, "3 cells"),
    ("f.csv", 'name,address\na,"b\n', "csv_syntax", 2, None, "not closed"),
    ("f.csv", HEAD + "a b,h,,,,,\n", "host_name", 2, "name", "“a b”"),
    ("f.csv", HEAD + "a,h,,,,,\n,h,,,,,\n", "host_name", 3, "name", "“”"),
    ("f.csv", HEAD + f"{'a' * 101},h,,,,,\n", "host_name", 2, "name", "at most 100"),
    ("f.csv", HEAD + "a,,,,,,\n", "host_address", 2, "address", "IP address or a DNS name"),
    ("f.csv", HEAD + "a,root@h,,,,,\n", "host_address", 2, "address", "columns of their own"),
    ("f.csv", HEAD + "a,-oProxyCommand=x,,,,,\n", "host_address", 2, "address", "no address"),
    ("f.csv", HEAD + "a,h,65536,,,,\n", "host_port", 2, "port", "1 to 65535"),
    ("f.csv", HEAD + "a,h,ssh,,,,\n", "host_port", 2, "port", "“ssh” is no port"),
    ("f.csv", HEAD + "a,h,22,ro ot,,,\n", "host_user", 2, "user", "account on the host"),
    ("f.csv", HEAD + "a,h,22,,zone:eu,,\n", "host_label", 2, "labels", "zone=eu tag=gate"),
    ("f.csv", HEAD + 'a,h,22,,"zone=eu,us",,\n', "host_label", 2, "labels", "no label"),
    ("f.csv", HEAD + "a,h,22,,zone=eu zone=us,,\n", "host_label", 2, "labels", "stands twice"),
    ("f.csv", HEAD + "a,h,22,,name=x,,\n", "host_label", 2, "labels", "taken"),
    ("f.csv", HEAD + "a,h,22,,,AAAA,\n", "host_key_shape", 2, "host_key", "ssh-keyscan"),
    ("f.csv", HEAD + f"a,h,22,,,{keys.ED25519[:-6]},\n", "host_key_damaged", 2, "host_key", "cut off"),
    ("f.csv", HEAD + "a,h,22,,,,klingon\n", "host_encoding", 2, "encoding", "gb18030"),
    ("f.csv", HEAD + "a,h,22,,,,utf-16\n", "host_encoding", 2, "encoding", "utf-8"),
    ("f.csv", HEAD + "a,h,22,,,,hex\n", "host_encoding", 2, "encoding", "utf-8"),
    ("f.csv", HEAD + "a,h,,,,,\nb,h,,,,,\na,i,,,,,\n", "host_twice", 4, "name", "first in line 2"),
    ("f.csv", 'name,address,labels\na,h,"x=1\n\ny=2"\nb b,h,\n', "host_name", 5, "name", "“b b”"),
    ("f.yaml", "hosts: [\n", "yaml_syntax", 2, None, "indentation"),
    ("f.yaml", "hosts: 3\n", "yaml_hosts", 1, None, "list of hosts"),
    ("f.yaml", "a: {}\nb: {}\n", "yaml_hosts", 1, None, "list of hosts"),
    ("f.yaml", "hosts:\n  - eu-01\n", "not_a_host", 2, "hosts[0]", "- name:"),
    ("f.yaml", "- name: a\n  adress: h\n", "column_unknown", 2, "[0].adress", "Did you mean address?"),
    ("f.yaml", "- name: a\n  address: h\n  name: b\n", "key_twice", 3, "[0].name", "Keep one"),
    ("f.yaml", "- name: a\n  address: [h]\n", "not_text", 2, "[0].address", "must be text"),
    ("f.yaml", "- name: a\n  address: h\n  labels: {a: [b]}\n", "not_text", 3, "[0].labels", "group of keys"),
    ("f.yaml", "hosts:\n- name: a\n  address: h\n\n  port: 0\n", "host_port", 5, "hosts[0].port", "“0”"),
]


@pytest.mark.parametrize(("filename", "text", "code", "line", "field", "says"), REFUSED)
def test_a_wrong_inventory_is_refused_whole(
    filename: str, text: str, code: str, line: int | None, field: str | None, says: str
) -> None:
    with pytest.raises(InputError) as refused:
        import_hosts(text, filename, "cli:olga")
    problem = refused.value.problems[0]
    assert (problem.code, problem.file, problem.line, problem.field) == (code, filename, line, field)
    assert says in f"{problem.message} {problem.cure_text}"
    assert problem.cure_text
    assert not Host.objects.exists()
    assert not AuditEntry.objects.exists()


def test_every_problem_of_a_file_is_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        import_hosts(HEAD + "ok,h,,,,,\na,h,x,,zone,,\nb,,,,,,\n", "f.csv", "cli:olga")
    assert [(p.line, p.field) for p in refused.value.problems] == [(3, "port"), (3, "labels"), (4, "address")]
    assert not Host.objects.exists()


def test_aliases_do_not_blow_an_inventory_up() -> None:
    levels = "\n".join(f"- &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9))
    with pytest.raises(InputError):
        import_hosts(f"- &a0 x\n{levels}\n", "f.yaml", "cli:olga")
