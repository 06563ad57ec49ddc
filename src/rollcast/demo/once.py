"""`rollcast demo --once`: one rollout without a browser, followed like a user would, and its account.

Everything is fresh (folder, database, ports, keys) and gone afterwards. The rollout is started through the
HTTP API with session and CSRF token and followed over the WebSocket; the hosts' side of the account is read
from the journal files, the store's side from the database.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from typing import Final

from rollcast.demo.account import Account, Event, Sabotage, account_text, sabotage
from rollcast.demo.browser import Browser, Refused
from rollcast.demo.builds import RECIPE
from rollcast.demo.evidence import account_of
from rollcast.demo.receiving import receive
from rollcast.demo.stage import CONSOLES_FROM, Stage, set_up, tell_why, temporary_home

DEFAULT_SPEED: Final = 10.0
# 200 hosts on two busy cores end in a third of this; who waits longer waits for nothing.
DEADLINE_S: Final = 900.0


def run_once(*, hosts: int, speed: float | None, as_json: bool, how: Sabotage | None) -> int:
    """Run it and print the account; 0 only if it is closed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    ports_from = random.randrange(10_000, CONSOLES_FROM)  # two runs at a time need not try the same ports
    with temporary_home("rollcast-once-") as home:
        try:
            with set_up(
                home, hosts=hosts, speed=speed or DEFAULT_SPEED, port=0, ports_from=ports_from, quiet=True
            ) as stage:
                account = _roll_out(stage, how)
                peak = stage.crew.console.child.peak_mb()
        except Exception:
            tell_why(home)
            raise
        if not account.closed and how is None:
            tell_why(home)
    said = account.as_json(hosts=hosts, console_peak_mb=peak, seconds=round(time.monotonic() - began, 1))
    if as_json:
        print(json.dumps(said), flush=True)
    else:
        print(account_text(said))
    return 0 if account.closed else 1


def _roll_out(stage: Stage, how: Sabotage | None) -> Account:
    """One rollout over the whole fleet, from the sign-in to the account."""
    browser = Browser(stage.url)
    browser.sign_in(stage.sign_in_link())
    rollout_id = browser.post("/api/rollouts", {"recipe": RECIPE, "idempotency_key": "demo-once"})["id"]
    received = asyncio.run(_receive(browser, rollout_id))
    if how is not None:
        received = sabotage(received, how)
    page = browser.get(f"/api/rollouts/{rollout_id}")
    return account_of(stage.host_folders, page, received)


async def _receive(browser: Browser, rollout_id: int) -> list[Event]:
    events: list[Event] = []
    try:
        async with asyncio.timeout(DEADLINE_S):
            await receive(browser.url, browser.cookie_header(), f"rollout/{rollout_id}", events)
    except TimeoutError:
        raise Refused(f"the rollout did not end within {DEADLINE_S:.0f} s") from None
    return events
