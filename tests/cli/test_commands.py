"""Each command against a test database: what it prints, and its exit code. No server, no worker."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from rollcast.access.models import AuditEntry
from rollcast.cli import main
from rollcast.cli.installation import cookie_of, forget_address, note_address, noted_address

pytestmark = pytest.mark.django_db(transaction=True)

RECIPE = """\
name: greet
title: Greet
parameters:
  version: {type: string, required: true, pattern: '\\d+\\.\\d+'}
defaults: {waves: "1, rest", parallel: 2, failure_budget: "0"}
steps:
  - name: say hello
    run: echo "hello $VERSION"
"""
KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
INVENTORY = f"""\
name,address,port,user,labels,host_key
eu-01,10.0.0.1,22,ops,zone=eu tag=gate,{KEY}
us-01,127.0.0.1,1,ops,zone=us,
"""
START = ["rollout", "start", "greet", "--param", "version=1.2"]


class Shell:
    """`rollcast …` in this process."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capsys = capsys

    def run(self, *argv: str) -> tuple[int, str, str]:
        code = main([*argv, "--home", str(self.home)])
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err

    def json(self, *argv: str) -> Any:
        code, out, err = self.run(*argv, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)


@pytest.fixture
def shell(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> Shell:
    """An installation with two hosts and one recipe, on the test's database."""
    monkeypatch.setattr("rollcast.config.boot.configure", lambda home, **_: None)
    settings.ROLLCAST = settings.ROLLCAST | {"HOME": tmp_path}
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "greet.yml").write_text(RECIPE, "utf-8")
    (tmp_path / "hosts.csv").write_text(INVENTORY, "utf-8")
    made = Shell(tmp_path, capsys)
    assert made.run("hosts", "import", str(tmp_path / "hosts.csv")) == (
        0,
        "2 created, 0 updated, 0 unchanged\n",
        "",
    )
    return made


def test_hosts_are_listed_with_labels_and_the_state_of_their_keys(shell: Shell) -> None:
    _, out, _ = shell.run("hosts", "list")
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["eu-01", "10.0.0.1:22", "ops", "tag=gate", "zone=eu", "trusted"],
        ["us-01", "127.0.0.1:1", "ops", "zone=us", "unknown"],
    ]
    assert [row["name"] for row in shell.json("hosts", "list", "zone=us")] == ["us-01"]


def test_a_key_that_was_seen_is_trusted_by_its_fingerprint(shell: Shell) -> None:
    from rollcast.fleet.actions import note_seen_key
    from rollcast.fleet.models import Host

    seen = note_seen_key(Host.objects.get(name="us-01").pk, KEY)
    said = shell.json("hosts", "trust", "us-01", "--fingerprint", seen.fingerprint)
    assert said["fingerprint"] == seen.fingerprint
    assert shell.json("hosts", "list", "zone=us")[0]["pinned"] == 1


def test_a_rollout_is_started_shown_listed_and_steered(shell: Shell) -> None:
    rollout = shell.json(*START)["id"]
    number = str(rollout)
    assert shell.json("rollout", "show", number)["rollout"]["params"] == {"version": "1.2"}
    assert shell.run("rollout", "list")[1].splitlines()[1].split() == [
        *(number, "Greet", "pending", "2", "pending", AuditEntry.objects.all()[0].actor)
    ]
    for verb, wanted in (("pause", "pause"), ("resume", "run"), ("cancel", "cancel")):
        assert shell.json("rollout", verb, number) == {"id": rollout, "asked": verb}
        assert shell.json("rollout", "show", number)["rollout"]["wanted"] == wanted
    _, out, _ = shell.run("rollout", "show", number)
    assert out.startswith(f"rollout {number}: Greet, ")
    actors = set(AuditEntry.objects.values_list("actor", flat=True))
    assert {actor.partition(":")[0] for actor in actors} == {"cli"}


def test_a_preview_starts_nothing(shell: Shell) -> None:
    _, out, _ = shell.run(*START, "--preview")
    assert out.splitlines() == [
        "wave 1: eu-01",
        "wave 2: us-01",
        "2 at a time; once more than 0 failed, nothing more starts",
    ]
    assert shell.json(*START, "--preview")["waves"] == [["eu-01"], ["us-01"]]
    assert shell.json("rollout", "list")["total"] == 0


def test_the_same_key_again_is_the_same_rollout(shell: Shell) -> None:
    assert shell.json(*START, "--key", "k1") == shell.json(*START, "--key", "k1")


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["rollout", "start", "nosuch"], 2, "nosuch"),
        ([*START, "--selector", "zone==eu"], 2, "selector"),
        ([*START, "--selector", "zone=mars"], 2, "selects none of 2 hosts"),
        ([*START, "--waves", "0"], 2, "waves"),
        ([*START, "--failure-budget", "many"], 2, "failure_budget"),
        ([*START, "--parallel", "0"], 2, "parallel"),
        (["rollout", "start", "greet", "--param", "version=abc"], 2, "parameters.version"),
        (["rollout", "start", "greet"], 2, "parameters.version"),
        (["rollout", "start", "greet", "--param", "version"], 2, "NAME=VALUE"),
        (["rollout", "show", "99"], 1, "no rollout 99"),
        (["rollout", "pause", "99"], 1, "99"),
        (["rollout", "watch", "99"], 1, "no rollout 99"),
        (["hosts", "import", "nosuch.csv"], 1, "nosuch.csv"),
        (["hosts", "trust", "nosuch"], 2, "nosuch"),
        (["hosts", "trust", "us-01"], 2, "cannot be reached by SSH"),
        (["hosts", "list", "zone="], 2, "selector"),
        (["sign-in"], 1, "rollcast up"),
    ],
)
def test_bad_input_names_the_place_and_changes_nothing(
    shell: Shell, argv: list[str], code: int, said: str
) -> None:
    found, out, err = shell.run(*argv)
    assert (found, out) == (code, "")
    assert said in err
    assert err.startswith("rollcast: ")
    assert "Traceback" not in err
    assert shell.json("rollout", "list")["total"] == 0


def test_what_the_state_forbids_is_exit_code_one(shell: Shell) -> None:
    number = str(shell.json(*START)["id"])
    code, _, err = shell.run("rollout", "resume", number)
    assert code == 1, err


def test_management_commands_work_on_the_installation(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    number = shell.json(*START)["id"]
    asked = ["manage", "--home", str(shell.home), "livefeed_prune", "--keep", "0", "--dry-run"]
    assert main(asked) == 0
    assert capsys.readouterr().out.startswith(f"rollout/{number}: 1 event in 1 frame would be removed")
    with pytest.raises(SystemExit) as ended:
        main([*asked[:-1], "--older-than", "soon"])
    assert ended.value.code == 2
    assert "'soon' is no age" in capsys.readouterr().err


def test_a_bad_inventory_names_file_and_line_and_imports_nothing(shell: Shell) -> None:
    bad = shell.home / "bad.csv"
    bad.write_text("name,address,port\nnew-01,10.0.0.9,22\nnew-02,10.0.0.8,many\n", "utf-8")
    code, _, err = shell.run("hosts", "import", str(bad))
    assert code == 2
    assert "bad.csv, line 3, port" in err
    assert len(shell.json("hosts", "list")) == 2


def test_a_sign_in_link_leads_to_the_running_console(shell: Shell) -> None:
    note_address(shell.home, "http://127.0.0.1:8420")
    said = shell.json("sign-in", "--user", "olga")
    assert said["user"] == "olga"
    assert said["link"].startswith("http://127.0.0.1:8420/sign-in/link/")
    note_address(shell.home, "http://127.0.0.1:9999")
    assert noted_address(shell.home) == "http://127.0.0.1:8420"  # a second console leaves the first one's
    (shell.home / "console.json").write_text('{"url": "http://127.0.0.1:8420", "pid": 1}')
    forget_address(shell.home)
    assert noted_address(shell.home) is not None  # not ours to forget
    note = {"url": "http://127.0.0.1:8420", "pid": os.getpid()}
    (shell.home / "console.json").write_text(json.dumps(note))
    forget_address(shell.home)
    assert noted_address(shell.home) is None


def test_installations_on_one_machine_have_cookies_of_their_own(tmp_path: Path) -> None:
    assert cookie_of(Path("~/.local/share/rollcast").expanduser()) == "rollcast"
    assert cookie_of(tmp_path / "a") != cookie_of(tmp_path / "b")
