"""Following a step through what may happen to its follower on the host, with every shell."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing

from rollcast.remote.connector import Connection, Ended, Output, Started
from rollcast.remote.follow import follow
from tests.remote.hosts import Host
from tests.remote.processes import followers_of
from tests.remote.steps import Reading, begin


async def test_a_dead_reader_on_the_host_does_not_freeze_a_living_step(
    connected: Connection, shell_host: Host
) -> None:
    directory = shell_host.new_directory()
    wait = "until [ -e {0} ]; do sleep 0.1; done; rm {0}"
    script = f"echo one; {wait.format('on')}; echo two; {wait.format('off')}"
    attachment = await begin(connected, directory, script)
    items = follow(connected, directory, 0, attachment=attachment, silence_look_s=0.3)
    reading = Reading()
    async with asyncio.timeout(20), aclosing(items):
        async for item in items:
            reading.add(item)
            if reading.data == b"one\n" and isinstance(item, Output):
                for pid in followers_of(directory, "journal"):
                    os.kill(pid, 9)
                (shell_host.home / "on").touch()
            elif reading.data == b"one\ntwo\n" and isinstance(item, Output):
                assert (await connected.look(directory)).state == "alive"
                (shell_host.home / "off").touch()

    assert reading.data == b"one\ntwo\n"
    assert isinstance(reading.last, Ended)
    assert sum(isinstance(item, Started) for item in reading.items) <= 1


async def test_a_look_at_a_living_step_tells_how_much_it_wrote(
    connected: Connection, shell_host: Host
) -> None:
    directory = shell_host.new_directory()
    attachment = await begin(connected, directory, f"printf 12345; {shell_host.gate(directory)}")
    async for _item in attachment:
        break

    look = await connected.look(directory)
    assert (look.state, look.now_bytes, look.bytes) == ("alive", 5, None)

    shell_host.open_gate(directory)
    assert isinstance([item async for item in attachment][-1], Ended)
