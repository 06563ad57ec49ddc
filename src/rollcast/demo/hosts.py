"""What lies in a demo fleet's folder: the hosts' names, labels, ports, keys and homes.

    <folder>/fleet.json        {"ports": {"eu-01": 22001, …}}: kept, so that a host is the same one tomorrow
    <folder>/inventory.json    rows as `rollcast.fleet` imports them
    <folder>/keys/             client (the operator's key) and one host key per host
    <folder>/hosts/<name>/     a host's HOME: bin/ (its commands), game/ (the server's state), builds/, tmp/

Nothing here listens or runs; `rollcast.demo.fleet` does.
"""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncssh

ADDRESS: Final = "127.0.0.1"
# Above it Linux hands out ports to outgoing connections, so a kept port could be taken by chance.
PORTS_END: Final = 32768
ZONES: Final = ("eu", "us", "bj", "sg")
TAGS: Final = ("gate", "battle", "chat")
COMMANDS: Final = (
    *("announce", "close", "players", "stop", "switch", "start", "health", "chatter", "open", "version"),
)
FIRST_VERSION: Final = "1.41.2"
# The variable that marks every process started on a demo host; its value is the host's folder.
MARKER: Final = "ROLLCAST_DEMO_HOST"


@dataclass(frozen=True)
class DemoHost:
    """One host of the fleet: its place in the fleet and its folder."""

    name: str
    labels: dict[str, str]
    folder: Path
    key_file: Path

    def environment(self, speed: float) -> dict[str, str]:
        """What a command on this host sees, and nothing of what the console's process sees."""
        return {
            "HOME": str(self.folder),
            "PATH": f"{self.folder}/bin:/usr/local/bin:/usr/bin:/bin",
            "TMPDIR": str(self.folder / "tmp"),
            "USER": getpass.getuser(),
            "LOGNAME": getpass.getuser(),
            "SHELL": "/bin/sh",
            "LANG": "C.UTF-8",
            "HOSTNAME": self.name,
            "GAME_SPEED": str(max(1, round(speed * 100))),
            MARKER: str(self.folder),
        }


def fleet_hosts(folder: Path, count: int) -> list[DemoHost]:
    """The fleet's first `count` hosts, zone by zone in turn: eu-01, us-01, bj-01, sg-01, eu-02, …"""
    hosts = []
    for number in range(count):
        zone = ZONES[number % len(ZONES)]
        name = f"{zone}-{number // len(ZONES) + 1:02d}"
        labels = {"zone": zone, "tag": TAGS[number // len(ZONES) % len(TAGS)]}
        hosts.append(DemoHost(name, labels, folder / "hosts" / name, folder / "keys" / name))
    return hosts


def ill_hosts(hosts: Sequence[DemoHost]) -> set[str]:
    """The two hosts whose first health check fails, by name, towards the end of the name order."""
    names = sorted(host.name for host in hosts)
    return {names[len(names) * 3 // 5], names[len(names) * 17 // 20]} if names else set()


def prepare(folder: Path, hosts: Sequence[DemoHost]) -> None:
    """Make what is missing in the fleet's folder; what is there stays as it is, but for the commands."""
    fresh = not (folder / "hosts").exists()
    for made in (folder, folder / "hosts", folder / "keys"):
        made.mkdir(mode=0o700, parents=True, exist_ok=True)
    script = folder / "gameserver.sh"
    script.write_text((Path(__file__).parent / "gameserver.sh").read_text("utf-8"), "utf-8")
    script.chmod(0o755)
    _key(folder / "keys" / "client")
    ill = ill_hosts(hosts) if fresh else set()
    for number, host in enumerate(hosts):
        _key(host.key_file)
        _prepare_home(host, script, usual_players=20 + number * 7 % 23, ill=host.name in ill)


def _prepare_home(host: DemoHost, script: Path, *, usual_players: int, ill: bool) -> None:
    for name in ("bin", "tmp", "builds", "game"):
        (host.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    for command in COMMANDS:
        link = host.folder / "bin" / f"game-{command}"
        link.unlink(missing_ok=True)
        link.symlink_to(script)
    if (host.folder / "game" / "version").exists():
        return
    state = {"usual": f"{usual_players}\n", "lines": "0\n", "running": "0\n", "version": f"{FIRST_VERSION}\n"}
    if ill:
        state["ill"] = ""
    for name, text in state.items():
        (host.folder / "game" / name).write_text(text, "utf-8")


def _key(path: Path) -> None:
    """Generate an Ed25519 key pair, once; the private half is readable by its owner only."""
    if path.exists():
        return
    key = asyncssh.generate_private_key("ssh-ed25519", comment=f"rollcast demo {path.name}")
    key.write_public_key(f"{path}.pub")
    unfinished = path.with_suffix(".new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.export_private_key())
    unfinished.rename(path)


def kept_ports(folder: Path) -> dict[str, int]:
    """The ports that the hosts had last time."""
    try:
        ports: dict[str, int] = json.loads((folder / "fleet.json").read_text("utf-8"))["ports"]
    except FileNotFoundError:
        return {}
    return ports


def write_inventory(folder: Path, hosts: Sequence[DemoHost], ports: dict[str, int]) -> Path:
    """Store the ports and the rows to import; returns the inventory's path."""
    rows = [
        {
            "name": host.name,
            "address": ADDRESS,
            "port": str(ports[host.name]),
            "user": getpass.getuser(),
            "key_file": str(folder / "keys" / "client"),
            "labels": " ".join(f"{key}={value}" for key, value in host.labels.items()),
            "host_key": " ".join(Path(f"{host.key_file}.pub").read_text("utf-8").split()[:2]),
            "encoding": "utf-8",
        }
        for host in hosts
    ]
    inventory = folder / "inventory.json"
    _replace(inventory, json.dumps(rows, indent=1))
    _replace(folder / "fleet.json", json.dumps({"ports": kept_ports(folder) | ports}, indent=1))
    return inventory


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_suffix(".new")
    unfinished.write_text(text, "utf-8")
    unfinished.rename(path)
