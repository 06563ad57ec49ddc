"""The demo fleet as a process: `python -m rollcast.demo.fleet --folder F --hosts N --speed X --ports-from P`.

Starts one SSH server per host, writes the inventory, says `{"ready": …}` on stdout and runs until SIGTERM,
SIGINT or, with `--lifeline`, the end of its stdin (its parent is gone). Its end is a power cut: whatever
still runs on the hosts is ended. What a killed fleet left behind is ended at the next start.

With `--lifeline` it does what a drill says on stdin, a line each, and answers each with a line on stdout,
`{"hit": [NAME, …]}`. PICK is a number that picks among the hosts that have a connection.

    cut PICK             break the connections of one, some or all of them
    restart PICK AWAY    break those of one, and let its SSH server listen again only after AWAY seconds
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Final

import asyncssh

from rollcast.demo.hosts import PORTS_END, DemoHost, fleet_hosts, kept_ports, prepare, write_inventory
from rollcast.demo.power import power_off
from rollcast.demo.server import HostServer

PORTS_FROM: Final = 22001
DEFAULT_HOSTS: Final = 24
# Two parties may look for free ports at once; more than this many taken in a row is no accident.
_TRIES: Final = 2000


async def start_servers(
    folder: Path, hosts: list[DemoHost], speed: float, ports_from: int
) -> list[HostServer]:
    """Listen for each host, on its kept port if that is free."""
    client_key = asyncssh.read_private_key(folder / "keys" / "client")
    kept = kept_ports(folder)
    reserved = set(kept.values())
    servers = []
    for host in hosts:
        wanted = [kept[host.name]] if host.name in kept else []
        free = (port for port in _from(ports_from) if port not in reserved)
        for port in [*wanted, *(next(free) for _ in range(_TRIES))]:
            reserved.add(port)
            server = HostServer(host, port, speed, client_key)
            try:
                await server.listen()
            except OSError:
                continue
            servers.append(server)
            break
        else:
            raise SystemExit(
                f"no free port between {ports_from} and {PORTS_END}: choose another --ports-from"
            )
    return servers


def _from(first: int) -> list[int]:
    return [*range(first, PORTS_END), *range(1024, first)]


async def run(folder: Path, count: int, speed: float, ports_from: int, *, lifeline: bool) -> None:
    """Serve until told to end, then cut the power."""
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    hosts = fleet_hosts(folder, count)
    prepare(folder, hosts)
    power_off(folder)
    servers = await start_servers(folder, hosts, speed, ports_from)
    try:
        inventory = write_inventory(folder, hosts, {server.host.name: server.port for server in servers})
        if lifeline:
            loop.add_reader(sys.stdin.fileno(), Faults(servers, end).hear)
        print(json.dumps({"ready": True, "hosts": len(hosts), "inventory": str(inventory)}), flush=True)
        await end.wait()
    finally:
        for server in servers:
            server.close()
        if not power_off(folder):
            print(f"processes of the demo fleet in {folder} are still alive", file=sys.stderr)


class Faults:
    """Does to the hosts' SSH servers what stdin says; its end is the fleet's."""

    def __init__(self, servers: list[HostServer], end: asyncio.Event) -> None:
        self._servers = servers
        self._end = end
        self._heard = b""
        self._mending: set[asyncio.Task[None]] = set()

    def hear(self) -> None:
        """Read what there is to read."""
        said = os.read(sys.stdin.fileno(), 1024)
        if not said:
            self._end.set()
        *lines, self._heard = (self._heard + said).split(b"\n")
        for line in lines:
            print(json.dumps({"hit": self._do(*line.decode().split())}), flush=True)

    def _do(self, verb: str, pick: str, away_s: str = "") -> list[str]:
        connected = [server for server in self._servers if server.connections]
        rng = random.Random(pick)
        most = 1 if verb == "restart" else len(connected)
        hit = rng.sample(connected, rng.randint(1, most)) if connected else []
        for server in hit:
            if verb == "restart":
                server.close()
                task = asyncio.create_task(_listen_again(server, float(away_s)))
                self._mending.add(task)
                task.add_done_callback(self._mending.discard)
            server.cut()
        return sorted(server.host.name for server in hit)


async def _listen_again(server: HostServer, away_s: float) -> None:
    await asyncio.sleep(away_s)
    await server.listen()


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
