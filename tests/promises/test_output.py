"""Hostile output of real steps over both SSH servers: every byte is stored, shown and counted, in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rollcast.demo.account import lines_of
from tests.demo.fleets import running_fleet
from tests.promises.conftest import Site, opened
from tests.promises.installation import Installation
from tests.remote.hosts import Host, openssh_host
from tests.waiting import eventually

# Name -> what the step does, and how many lines that are.
HOSTILE = {
    "a line of 10 MB": (r"head -c 10000000 /dev/zero | tr '\0' x; echo; echo after", 2),
    "no newline at all": (r"head -c 300000 /dev/zero | tr '\0' y", 1),
    "carriage returns": (
        r"i=0; while [ $i -lt 500 ]; do printf '\r%d %%' $i; i=$((i+1)); done; echo; echo ok",
        2,
    ),
    "NUL": (r"printf 'a\0b\0\n\0'", 2),
    "invalid UTF-8": (r"printf '\377\376 ok \303\n\346\227'; echo; printf '\355\240\200\n'", 3),
    "characters split over reads": (
        r"for b in '\346' '\227' '\245' '\360' '\237' '\232' '\200'; do printf $b; sleep 0.3; done; echo",
        1,
    ),
    "ANSI and OSC": (
        r"printf '\033[31mred\033[0m \033]0;title\007\033]52;c;eHh4\007\033[2J\033[1000A\n\033['",
        2,
    ),
    "many lines": ("seq 1 60000", 60_000),
}
# The most that the console may take for any of it, in MB. It begins with some 90.
MEMORY_MB = 250.0
# What a host's connection may hold beside it: the window of its SSH channel, and a line that is not whole.
HOST_MB = 1.0


@pytest.mark.parametrize("name", HOSTILE)
def test_every_byte_arrives_in_order(quiet_site: Site, name: str) -> None:
    shop = quiet_site.installation
    script, n_lines = HOSTILE[name]
    rollout = shop.start(f"- name: says\n  run: |\n    {script}\n")
    receiver = shop.receive(rollout)
    page = shop.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert page["targets"][0]["steps"][0]["journal_same"] is True
    assert shop.account(rollout, receiver).written == n_lines
    assert quiet_site.console.peak_mb() < MEMORY_MB


def test_a_host_that_speaks_gb18030_is_read_so(quiet_site: Site) -> None:
    shop = quiet_site.installation
    shop.import_host(quiet_site.host, "gb", encoding="gb18030")
    said = "服务器已更新\n第二行 𠮷\n".encode("gb18030") + b"\xff \x81\n"
    octal = "".join(f"\\{byte:03o}" for byte in said)
    rollout = shop.start(f"- name: says\n  run: printf '{octal}'\n", selector="name=gb")
    receiver = shop.receive(rollout)
    page = shop.until_ended(rollout)
    (target,) = page["targets"]
    assert (target["name"], target["state"]) == ("gb", "succeeded")
    (journal,) = shop.journals(rollout)
    assert journal.content == said
    assert journal.same
    wanted = said.decode("gb18030", "backslashreplace").splitlines()
    for events in (shop.stored(rollout), receiver.until_end()):
        assert [line.text for line in lines_of(events)[target["lane"]]] == wanted


def test_without_every_byte_as_its_host_has_it_a_rollout_does_not_succeed(quiet_site: Site) -> None:
    shop, home = quiet_site.installation, quiet_site.host.home
    rollout = shop.start(
        "- name: says\n  run: |\n    echo one\n    until [ -e $HOME/go ]; do sleep 0.05; done\n",
        selector="name=far",
    )
    eventually(lambda: "one" in [event.data for event in shop.stored(rollout)], 30)
    (journal,) = home.glob(f".rollcast/*/r{rollout}/*/s0/a1/run/journal")
    with journal.open("r+b") as file:  # what we have stored is not any more what stands there
        file.write(b"own")
    (home / "go").touch()
    page = shop.until_ended(rollout)
    step = page["targets"][0]["steps"][0]
    assert page["rollout"]["state"] == "failed"
    assert (step["state"], step["reason"], step["exit_code"]) == ("failed", "journal_differs", 0)
    assert (step["journal_bytes"], step["journal_same"]) == (4, False)


@pytest.fixture
def two_hosts(installation: Installation, debian: Host, tmp_path: Path) -> Iterator[Site]:
    """`far`, which floods, and `calm`, which does not; a step may write a megabyte."""
    with openssh_host(tmp_path / "calm") as calm:
        installation.settings(MAX_OUTPUT=1_000_000)
        site = opened(installation, debian, apart=False)
        installation.import_host(calm, "calm")
        (debian.home / "floods").touch()
        yield site
        installation.close()


def test_a_step_that_prints_for_ever_is_ended_by_its_host_and_the_others_go_on(
    two_hosts: Site, tmp_path: Path
) -> None:
    """It writes nearly all that it may, and the rest only once the other host has ended both its steps."""
    shop = two_hosts.installation
    rollout = shop.start(
        "- name: says\n  run: |\n"
        "    until [ -e $HOME/floods ]; do echo calm; exit 0; done\n"
        "    i=0\n"
        "    while :; do\n"
        "      head -c 20000 /dev/zero | tr '\\0' x; echo; i=$((i+1))\n"
        f"      [ $i -eq 40 ] && until [ -e {tmp_path}/then ]; do sleep 0.05; done\n"
        "    done\n"
        f"- name: then\n  run: touch {tmp_path}/then\n",
        failure_budget="1",
    )
    receiver = shop.receive(rollout)
    page = shop.until_ended(rollout)
    calm, far = page["targets"]
    assert (calm["name"], calm["state"]) == ("calm", "succeeded")
    assert (far["name"], far["state"], far["reason"]) == ("far", "failed", "output_limit")
    assert far["steps"][0]["journal_bytes"] > 1_000_000
    assert far["steps"][0]["journal_same"] is True
    shop.account(rollout, receiver)
    assert two_hosts.console.peak_mb() < MEMORY_MB


def test_a_slow_database_slows_the_reading_down_and_the_journal_holds_the_rest(
    installation: Installation, debian: Host
) -> None:
    installation.settings(RECORD_MAX_BYTES=200_000, LEASE_TRUST_S=30.0)
    site = opened(installation, debian, apart=False)
    line = "x" * 999
    rollout = installation.start(
        "- name: floods\n  run: |\n    echo begins; until [ -e $HOME/gate ]; do sleep 0.05; done\n"
        f"    yes {line} | head -n 12000\n"
    )
    receiver = installation.receive(rollout)
    eventually(lambda: "begins" in [event.data for event in installation.stored(rollout)], 30)
    before = site.console.memory_mb()
    with closing(installation.database()) as database:
        database.execute("BEGIN IMMEDIATE")  # nothing can be stored from here on
        (debian.home / "gate").touch()
        (run,) = debian.home.glob(".rollcast/*/r*/t*/s0/a1/run")
        eventually(lambda: "\nexit 0 " in (run / "control").read_text(), 60)
        assert (run / "journal").stat().st_size > 12_000_000
        assert site.console.memory_mb() - before < 9
    assert installation.until_ended(rollout, 120)["rollout"]["state"] == "succeeded"
    assert installation.account(rollout, receiver).written == 12_001


@pytest.mark.parametrize(("hosts", "lines"), [(10, 1000), pytest.param(100, 10_000, marks=pytest.mark.long)])
def test_many_hosts_at_once(installation: Installation, tmp_path: Path, hosts: int, lines: int) -> None:
    with running_fleet(tmp_path / "fleet", hosts=hosts) as fleet:
        console = installation.start_console()
        installation.import_fleet(fleet)
        rollout = installation.start(f"- name: counts\n  run: seq 1 {lines}\n", parallel=hosts)
        receiver = installation.receive(rollout)
        page = installation.until_ended(rollout, 600)
        assert page["rollout"]["state"] == "succeeded"
        assert installation.account(rollout, receiver).written == hosts * lines
        assert console.peak_mb() < MEMORY_MB + hosts * HOST_MB
        installation.close()


@pytest.mark.long
def test_a_million_lines(quiet_site: Site) -> None:
    shop = quiet_site.installation
    rollout = shop.start("- name: counts\n  timeout: 10m\n  run: seq 1 1000000\n")
    receiver = shop.receive(rollout)
    assert shop.until_ended(rollout, 600)["rollout"]["state"] == "succeeded"
    assert shop.account(rollout, receiver).written == 1_000_000
    assert quiet_site.console.peak_mb() < MEMORY_MB
