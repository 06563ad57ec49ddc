"""The main way of a step, on every kind of host with every shell."""

from __future__ import annotations

import hashlib
import random
from contextlib import aclosing

from rollcast.remote.connector import Ended, Item, Look, Missing, Output, Started
from tests.remote.hosts import Host
from tests.remote.steps import Reading, read_all, run, start

NASTY = 'it\'s "quoted" $(touch pwned) `touch pwned` \\ ; & | * ~ #\n中文第二行\n'
LINES = 3000
CHINESE = f"""
n=0
while [ $n -lt {LINES} ]; do
    n=$((n + 1))
    echo "第 $n 行：正在更新游戏服务器，请稍候……"
    case $n in *00) sleep 0.02 ;; esac
done
exit 4
"""


async def test_a_step_runs_and_all_of_it_arrives(any_host: Host) -> None:
    connection = await any_host.connect()
    directory = any_host.new_directory()

    script = 'printf %s "$TEXT"; echo "fehler 错误" >&2; pwd; exit 7'
    reading = await run(connection, directory, script, env={"TEXT": NASTY})

    assert reading.data.decode() == f"{NASTY}fehler 错误\n{any_host.home}\n"
    started, ended = reading.items
    assert isinstance(started, Started)
    assert ended == Ended(7, len(reading.data), reading.sha256)
    assert not (any_host.home / "pwned").exists()
    size = len(reading.data)
    assert await connection.look(directory) == Look("ended", 7, size, reading.sha256, size)
    again = await read_all(await connection.attach(directory, 0))
    assert (again.data, again.items) == (reading.data, reading.items)
    await connection.close()
    assert connection.closed


async def test_twenty_cuts_lose_and_repeat_nothing(any_host: Host) -> None:
    dice = random.Random(20)
    directory = any_host.new_directory()
    reading = Reading()
    cuts = 0
    while True:
        connection = await any_host.connect()
        try:
            offset = reading.offset
            first = not reading.items
            attachment = await (
                start(connection, directory, CHINESE) if first else connection.attach(directory, offset)
            )
            cut_at = offset + dice.randrange(1, 9_000) if cuts < 20 else None
            async with aclosing(attachment):
                async for item in attachment:
                    reading.add(_cut(item, cut_at))
                    if cut_at is not None and reading.items and reading.offset >= cut_at:
                        cuts += 1
                        break
                else:
                    break
        finally:
            await connection.close()

    expected = "".join(f"第 {n} 行：正在更新游戏服务器，请稍候……\n" for n in range(1, LINES + 1)).encode()
    assert reading.data == expected
    assert reading.last == Ended(4, len(expected), hashlib.sha256(expected).hexdigest())
    assert cuts == 20


def _cut(item: Item, cut_at: int | None) -> Item:
    """Forget what lies behind the cut: it is as if it had never arrived."""
    if isinstance(item, Output) and cut_at is not None and item.offset > cut_at:
        keep = len(item.data) - (item.offset - cut_at)
        return Output(item.data[:keep], cut_at)
    return item


async def test_attaching_never_starts(any_host: Host) -> None:
    connection = await any_host.connect()
    directory = any_host.new_directory()

    reading = await read_all(await connection.attach(directory, 0))

    assert isinstance(reading.last, Missing)
    assert (await connection.look(directory)).state == "missing"
    assert not (any_host.home / directory).exists()
    await connection.close()
