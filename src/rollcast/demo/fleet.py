"""The demo fleet as a process: `python -m rollcast.demo.fleet --folder F --hosts N --speed X --ports-from P`.

Starts one SSH server per host, writes the inventory, says `{"ready": …}` on stdout and runs until SIGTERM,
SIGINT or, with `--lifeline`, the end of its stdin (its parent is gone). Its end is a power cut: whatever
still runs on the hosts is ended. What a killed fleet left behind is ended at the next start.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Final

import asyncssh

from rollcast.demo.hosts import PORTS_END, DemoHost, fleet_hosts, kept_ports, prepare, write_inventory
from rollcast.demo.power import power_off
from rollcast.demo.server import listen

PORTS_FROM: Final = 22001
DEFAULT_HOSTS: Final = 24
# Two parties may look for free ports at once; more than this many taken in a row is no accident.
_TRIES: Final = 2000


async def start_servers(
    folder: Path, hosts: list[DemoHost], speed: float, ports_from: int
) -> tuple[list[asyncssh.SSHAcceptor], dict[str, int]]:
    """Listen for each host, on its kept port if that is free; returns the listeners and the ports by name."""
    client_key = asyncssh.read_private_key(folder / "keys" / "client")
    kept = kept_ports(folder)
    reserved = set(kept.values())
    listeners, ports = [], {}
    for host in hosts:
        wanted = [kept[host.name]] if host.name in kept else []
        free = (port for port in _from(ports_from) if port not in reserved)
        for port in [*wanted, *(next(free) for _ in range(_TRIES))]:
            reserved.add(port)
            try:
                listeners.append(await listen(host, port, speed, client_key))
            except OSError:
                continue
            ports[host.name] = port
            break
        else:
            raise SystemExit(
                f"no free port between {ports_from} and {PORTS_END}: choose another --ports-from"
            )
    return listeners, ports


def _from(first: int) -> list[int]:
    return [*range(first, PORTS_END), *range(1024, first)]


async def run(folder: Path, count: int, speed: float, ports_from: int, *, lifeline: bool) -> None:
    """Serve until told to end, then cut the power."""
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    if lifeline:
        loop.add_reader(sys.stdin.fileno(), _end_with_stdin, end)
    hosts = fleet_hosts(folder, count)
    prepare(folder, hosts)
    power_off(folder)
    listeners, ports = await start_servers(folder, hosts, speed, ports_from)
    try:
        inventory = write_inventory(folder, hosts, ports)
        print(json.dumps({"ready": True, "hosts": len(hosts), "inventory": str(inventory)}), flush=True)
        await end.wait()
    finally:
        for listener in listeners:
            listener.close()
        if not power_off(folder):
            print(f"processes of the demo fleet in {folder} are still alive", file=sys.stderr)


def _end_with_stdin(end: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        end.set()


def main() -> None:
    """Parse the command line and run the fleet."""
    parser = argparse.ArgumentParser(prog="python -m rollcast.demo.fleet", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the hosts live")
    parser.add_argument("--hosts", type=int, default=DEFAULT_HOSTS)
    parser.add_argument("--speed", type=float, default=1.0, help="2 = the fake servers take half the time")
    parser.add_argument("--ports-from", type=int, default=PORTS_FROM)
    parser.add_argument("--lifeline", action="store_true", help="end when stdin ends")
    given = parser.parse_args()
    asyncssh.set_log_level("CRITICAL")  # cut connections are the demo's daily bread
    asyncio.run(
        run(given.folder.resolve(), given.hosts, given.speed, given.ports_from, lifeline=given.lifeline)
    )


if __name__ == "__main__":
    main()
