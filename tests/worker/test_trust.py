"""A worker without a lease: it acts no more, by itself, and goes on where it left off once it has renewed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

import livefeed
from rollcast.remote.connectors import open_connection
from rollcast.rollouts import leases
from rollcast.rollouts.leases import Held, Trust
from rollcast.worker.conduct import conduct
from rollcast.worker.context import Context
from rollcast.worker.database import Database
from rollcast.worker.hand import ended
from rollcast.worker.recorder import Recorder
from rollcast.worker.sweep import Sweep
from rollcast.worker.target import TargetRun
from tests.remote.processes import followers_of
from tests.waiting import aeventually
from tests.worker.conftest import Bench
from tests.worker.test_takeover import COUNTS_SLOWLY, account_closes, some_lines

TRUST_S = 600.0


class Clock:
    """Seconds that pass when a test says so; `asked`: how often somebody wanted to know them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock by which the worker counts its trust."""
    return Clock()


@pytest.fixture
async def sweep(bench: Bench, clock: Clock, settings: Any) -> AsyncIterator[Sweep]:
    """A worker that has beaten once and does nothing yet."""
    settings.ROLLCAST = {**settings.ROLLCAST, "LEASE_TRUST_S": TRUST_S}
    database, woken = Database("test"), asyncio.Event()
    context = Context(
        worker_id=await database(leases.register, "test", time.time(), {}),
        epoch=await database(livefeed.instance_epoch),
        database=database,
        recorder=Recorder(database),
        trust=Trust(clock),
        connect=open_connection,
        wake=woken.set,
    )
    made = Sweep(context, woken)
    await made.beat()
    context.recorder.start()
    yield made
    await made.drop_all()
    await context.recorder.close()
    await database.close()


@asynccontextmanager
async def on_duty(*duties: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """These duties of the worker are done as long as the block lasts."""
    tasks = [asyncio.create_task(duty) for duty in duties]
    try:
        yield
    finally:
        await ended(*tasks)


def started(bench: Bench, steps: str = "- name: say\n  run: echo said\n") -> int:
    """A rollout of one host; its id."""
    bench.hosts("a")
    bench.recipe(steps)
    return bench.start()


def held_target(worker_id: int) -> Held:
    """The only target, running and held by the worker."""
    (rollout,) = leases.claim_rollouts(worker_id, time.time(), 1)
    conduct(rollout, time.time())
    (target,) = leases.claim_targets(worker_id, time.time(), 1)
    return target


async def until(sweep: Sweep, what: Callable[[], bool]) -> None:
    """Wait until that is so, by the rows."""

    async def seen() -> bool:
        return await sweep.context.database(what)

    condition: Callable[[], bool | Awaitable[bool]] = seen
    await aeventually(condition, 20)


async def until_succeeded(bench: Bench, sweep: Sweep, rollout: int) -> None:
    """Wait for the end of the only target."""
    await until(sweep, lambda: bench.states(rollout) == {"a": "succeeded"})


async def followed(bench: Bench, sweep: Sweep, rollout: int) -> str:
    """The folder of the only attempt, once it is followed and some lines are stored."""
    await until(sweep, lambda: some_lines(bench, rollout))
    (run,) = bench.run_folders(rollout)
    directory = str(run.parent.relative_to(bench.home))
    await aeventually(lambda: bool(followers_of(directory)))  # one that heard nothing for long is replaced
    return directory


async def test_it_takes_nothing_while_it_is_not_trusted(bench: Bench, sweep: Sweep, clock: Clock) -> None:
    database = sweep.context.database
    rollout = await database(started, bench)
    clock.now += TRUST_S
    async with on_duty(sweep.rounds()):
        for _ in range(2):  # the second round begins when the first one is over
            sweep.woken.set()
            await aeventually(lambda: not sweep.woken.is_set())
        assert (await database(bench.page, rollout))["rollout"]["state"] == "pending"
        await sweep.beat()
        await until_succeeded(bench, sweep, rollout)


async def test_it_sends_no_start_while_it_is_not_trusted(bench: Bench, sweep: Sweep, clock: Clock) -> None:
    database = sweep.context.database
    rollout = await database(started, bench)
    target = await database(held_target, sweep.context.worker_id)
    clock.now += TRUST_S
    async with on_duty(TargetRun(sweep.context, target.id, target.fence).run()):
        await aeventually(lambda: clock.asked > 3)  # once for the beat, then it tries and tries
        assert (await database(bench.page, rollout))["targets"][0]["steps"] == []
        assert bench.run_folders(rollout) == []
        await sweep.beat()
        await until_succeeded(bench, sweep, rollout)


async def test_it_lets_go_of_what_it_follows_and_that_goes_on(
    bench: Bench, sweep: Sweep, clock: Clock
) -> None:
    database = sweep.context.database
    rollout = await database(started, bench, COUNTS_SLOWLY)
    async with on_duty(sweep.rounds(), sweep.watch_trust()):
        directory = await followed(bench, sweep, rollout)
        clock.now += TRUST_S
        await aeventually(lambda: not followers_of(directory))
        assert bench.pids(rollout)
        await sweep.beat()
        bench.open("gate")
        await until_succeeded(bench, sweep, rollout)
    assert (bench.home / "begun").read_text() == "begun\n"
    await database(account_closes, bench, rollout)


async def test_it_leaves_a_host_that_another_worker_holds_by_now(bench: Bench, sweep: Sweep) -> None:
    database = sweep.context.database
    rollout = await database(started, bench, COUNTS_SLOWLY)
    async with on_duty(sweep.rounds()):
        directory = await followed(bench, sweep, rollout)
        other = await database(leases.register, "other", time.time(), {})
        assert await database(leases.claim_targets, other, time.time() + 2 * TRUST_S, 1)
        await aeventually(lambda: not followers_of(directory))
        assert bench.pids(rollout)


async def test_its_heartbeat_does_not_wait_for_what_its_hosts_ask(sweep: Sweep) -> None:
    gate, answered = threading.Event(), list[int]()
    held = asyncio.ensure_future(sweep.context.database(gate.wait))
    asked = [asyncio.ensure_future(sweep.context.database(answered.append, n)) for n in range(1000)]
    await asyncio.sleep(0)  # all of them have asked
    beat = asyncio.ensure_future(sweep.beat())
    beat.add_done_callback(lambda _: answered.append(-1))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(held, beat, *asked)
    assert answered.index(-1) < 500


async def test_it_is_trusted_from_before_a_heartbeat_was_sent(
    sweep: Sweep, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat = leases.beat

    def slowly(*args: Any) -> bool:
        clock.now += TRUST_S
        return beat(*args)

    monkeypatch.setattr(leases, "beat", slowly)
    await sweep.beat()
    assert not sweep.context.trust.holds()
