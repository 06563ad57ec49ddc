"""A drill: one real rollout during which processes are killed and connections cut, and its account.

What it does is drill_plan's; what it hits is the crew's processes, the hosts' SSH servers and the account's
own connection to the console, which goes through a proxy that cuts. The drill passes if the account closes
and there is nothing to remark: a step that vanished or ran twice, a target that failed by more than its
health check, a takeover that never came, a process that ended by itself or not when it was told to.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from livefeed.client import FeedRefused, FeedReset, FeedUnreachable
from rollcast.demo.account import Account, Event, Sabotage, sabotage
from rollcast.demo.browser import Browser
from rollcast.demo.builds import DRILL_RECIPE, put_recipe
from rollcast.demo.children import Child
from rollcast.demo.cutting import CuttingProxy
from rollcast.demo.drill_plan import Fault, Style, fault_plan
from rollcast.demo.evidence import account_of
from rollcast.demo.receiving import receive
from rollcast.demo.stage import Stage
from rollcast.demo.takeovers import Takeovers

# Seconds for which a rollout may go on after the last fault: some waves on a busy machine.
REST_S: Final = 180.0
# Seconds for which a fault waits for something that it can hit.
AIM_S: Final = 3.0
_POLL_S: Final = 0.1
# A wave lasts about so long: the faults of a short drill meet two of them, those of a long one many.
WAVE_S: Final = 12.0
# What a pass over a host takes beside its talk: at speed 1, and whatever the speed.
_GAME_S: Final = 9.0
_OVERHEAD_S: Final = 2.5
# In a new fleet two hosts fail it, as everywhere in the demo.
_MAY_FAIL: Final = "health check"

Say = Callable[[dict[str, object]], None]


@dataclass(frozen=True)
class Drilled:
    """What a drill found."""

    account: Account
    faults: dict[str, int]
    takeovers: tuple[float, ...]
    remarks: tuple[str, ...]
    peak_mb: float

    @property
    def passed(self) -> bool:
        """Whether the account is closed and nothing else was amiss."""
        return self.account.closed and not self.remarks

    def as_json(self, *, hosts: int, seconds: float) -> dict[str, object]:
        """The account as `rollcast drill --json` prints it."""
        said = self.account.as_json(hosts=hosts, console_peak_mb=self.peak_mb, seconds=seconds)
        longest = round(max(self.takeovers), 1) if self.takeovers else None
        return said | {"closed": self.passed, "faults": self.faults, "takeover_s": longest}


def waves_of(hosts: int, seconds: float) -> tuple[str, int]:
    """The waves of a rollout that lasts `seconds`, as a start has them, and how many they are."""
    size = -(-hosts // max(2, round(seconds / WAVE_S)))
    n = -(-hosts // size)
    return ", ".join([str(size)] * (n - 1) + ["rest"]), n


@dataclass
class Drill:
    """One drill on a running stage, whose crew somebody keeps. `run` may be called once."""

    stage: Stage
    seed: int
    seconds: float
    style: Style
    say: Say
    how: Sabotage | None = None
    _faults: Counter[str] = field(default_factory=Counter, init=False)
    _remarks: list[str] = field(default_factory=list, init=False)
    _received: list[Event] = field(default_factory=list, init=False)
    _frozen: list[Child] = field(default_factory=list, init=False)
    _peak_mb: float = field(default=0.0, init=False)

    async def run(self) -> Drilled:
        """Start the rollout, do the faults, let it end, and draw up the account."""
        from rollcast.rollouts import queries
        from rollcast.worker.database import Database

        self._database = Database("drill")
        self._proxy = CuttingProxy(int(self.stage.url.rpartition(":")[2]))
        for post in self.stage.crew.posts:
            post.remarks.clear()
        try:
            await self._proxy.start()
            self.browser = await asyncio.to_thread(self._signed_in)
            self.rollout_id = await asyncio.to_thread(self._start)
            self.say({"rollout": self.rollout_id, "style": self.style, "seed": self.seed})
            self._takeovers = Takeovers(self.rollout_id, self._database, self.say)
            await self._until_ended()
            await self._takeovers.look()
            page = await self._database(queries.rollout_page, self.rollout_id)
            return await self._database(self._draw_up, page)
        finally:
            for child in list(self._frozen):
                self._thaw(child)
            await self._proxy.close()
            await self._database.close()

    def _signed_in(self) -> Browser:
        browser = Browser(self.stage.url)
        browser.sign_in(self.stage.sign_in_link())
        return browser

    def _start(self) -> int:
        from rollcast.conf import option

        put_recipe(self.stage.home, DRILL_RECIPE)
        waves, n = waves_of(self.stage.hosts, self.seconds)
        talk_s = self.seconds / n - _GAME_S / self.stage.speed - _OVERHEAD_S
        body = {
            "recipe": DRILL_RECIPE,
            "params": {"talk": str(max(2, round(talk_s)))},
            "waves": waves,
            "parallel": min(self.stage.hosts, option("MAX_PARALLEL")),
            "idempotency_key": f"drill-{secrets.token_hex(8)}",
        }
        return int(self.browser.post("/api/rollouts", body)["id"])

    # ---- the time of the faults, and after it --------------------------------------------------------------

    async def _until_ended(self) -> None:
        """Follow the rollout to its end while everything else happens."""
        duties = (self._strike_all(), self._takeovers.watch(), self._measure())
        beside = [asyncio.create_task(duty) for duty in duties]
        try:
            async with asyncio.timeout(self.seconds + REST_S):
                await self._receive()
        except TimeoutError:
            self._remarks.append(f"the rollout did not end within {REST_S:.0f} s after the faults")
        except (FeedRefused, FeedReset, FeedUnreachable) as error:
            self._remarks.append(f"the client had to give up: {error}")
        finally:
            for task in beside:
                task.cancel()
            outcomes = await asyncio.gather(*beside, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _receive(self) -> None:
        key, cookie = f"rollout/{self.rollout_id}", self.browser.cookie_header()
        through = f"http://127.0.0.1:{self._proxy.port}"
        await receive(self.stage.url, cookie, key, self._received, through)

    async def _measure(self) -> None:
        while True:
            with suppress(OSError):  # it is being started again
                self._peak_mb = max(self._peak_mb, self.stage.crew.console.child.peak_mb())
            await asyncio.sleep(1.0)

    async def _strike_all(self) -> None:
        began = time.monotonic()
        for fault in fault_plan(self.seed, self.seconds, self.style):
            await asyncio.sleep(max(0.0, began + fault.at_s - time.monotonic()))
            hit = await self._strike(fault)
            if hit:
                self._faults[fault.kind] += 1
                self.say({"at_s": round(time.monotonic() - began, 1), "fault": fault.kind, "hit": hit})

    async def _strike(self, fault: Fault) -> list[str]:
        """Do it, as soon as there is something to hit; the names of what was hit."""
        match fault.kind:
            case "browser_cut":
                return await self._aim(self._cut_browser)
            case "ssh_cut":
                return await self._aim(lambda: self._tell_fleet(f"cut {fault.pick}"))
            case "sshd_restart":
                return await self._aim(lambda: self._tell_fleet(f"restart {fault.pick} {fault.lasts_s}"))
            case "worker_freeze":
                return await self._freeze_worker(fault)
            case _:
                return await self._end_process(fault)

    async def _aim(self, strike: Callable[[], Awaitable[list[str]]]) -> list[str]:
        until = time.monotonic() + AIM_S
        while True:
            hit = await strike()
            if hit or time.monotonic() > until:
                return hit
            await asyncio.sleep(_POLL_S)

    async def _cut_browser(self) -> list[str]:
        return ["browser"] if self._proxy.cut() else []

    async def _tell_fleet(self, line: str) -> list[str]:
        answer = await asyncio.to_thread(self.stage.fleet.ask, line)
        return list(answer["hit"])

    async def _end_process(self, fault: Fault) -> list[str]:
        number = signal.SIGKILL if fault.kind.endswith("kill") else signal.SIGTERM
        crew = self.stage.crew
        posts = crew.workers if fault.kind.startswith("worker") else (crew.console,)
        post, held = await self._takeovers.choose(posts, fault.pick)
        pid = post.child.process.pid
        post.strike(number)
        self._takeovers.expect(pid, held, works=not fault.kind.startswith("web"))
        return [post.name]

    async def _freeze_worker(self, fault: Fault) -> list[str]:
        """A worker that wakes when others act in its place: whatever it still does then must not count."""
        post, held = await self._takeovers.choose(self.stage.crew.workers, fault.pick)
        child = post.child
        await self._database(freeze_outside_transactions, child)
        self._takeovers.expect(child.process.pid, held)
        self._frozen.append(child)
        asyncio.get_running_loop().call_later(fault.lasts_s, self._thaw, child)
        return [post.name]

    def _thaw(self, child: Child) -> None:
        if child in self._frozen:
            self._frozen.remove(child)
            child.process.send_signal(signal.SIGCONT)

    # ---- the account ---------------------------------------------------------------------------------------

    def _draw_up(self, page: dict[str, Any]) -> Drilled:
        received = self._received if self.how is None else sabotage(self._received, self.how)
        account = account_of(self.stage.host_folders, page, received)
        crew = [remark for post in self.stage.crew.posts for remark in post.remarks]
        return Drilled(
            account=account,
            faults=dict(sorted(self._faults.items())),
            takeovers=tuple(self._takeovers.took),
            remarks=(*self._remarks, *crew, *self._takeovers.remarks(), *remarks_on(page)),
            peak_mb=self._peak_mb,
        )


def freeze_outside_transactions(child: Child) -> None:
    """Stop this process while we hold the database's write lock, so that it does not freeze with it."""
    from django.db import transaction

    with transaction.atomic(), suppress(ChildProcessError):  # it may have been ended just now
        child.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def remarks_on(page: dict[str, Any]) -> Iterator[str]:
    """What is amiss with the targets of a rollout whose steps nobody touched; `page` is the API's answer."""
    from rollcast.engine.states import NOTHING_RAN, StepState, TargetState

    names = [*(step["name"] for step in page["steps"]), "the end"]
    for target in page["targets"]:
        name, state, at = target["name"], target["state"], names[target["step_index"]]
        if state != TargetState.SUCCEEDED.value and (state, at) != (TargetState.FAILED.value, _MAY_FAIL):
            yield f"{name} is {state} at {at}: {target['reason']} {target['detail']}"
        ran = [run for run in target["steps"] if run["reason"] != NOTHING_RAN]
        for index, n in Counter(run["step"] for run in ran).items():
            if n > 1:
                yield f"{name}: {names[index]} ran {n} times"
        for run in ran:
            if run["state"] == StepState.INTERRUPTED.value:
                yield f"{name}: {names[run['step']]} was interrupted: {run['reason']} {run['detail']}"
