"""`rollcast demo --once`: one rollout without a browser, followed like a user would, and its account.

Everything is fresh (folder, database, ports, keys) and gone afterwards. The rollout is started through the
HTTP API with session and CSRF token and followed over the WebSocket; the hosts' side of the account is read
from the journal files, the store's side from the database.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rollcast.demo.account import Account, Event, Journal, Sabotage, close_account, sabotage
from rollcast.demo.browser import Browser, Refused
from rollcast.demo.builds import RECIPE
from rollcast.demo.receiving import events_of, receive
from rollcast.demo.stage import Stage, set_up

DEFAULT_SPEED: Final = 10.0
# 200 hosts on two busy cores end in a third of this; who waits longer waits for nothing.
DEADLINE_S: Final = 900.0
_STORED_PAGE: Final = 5000


def run_once(*, hosts: int, speed: float | None, as_json: bool, how: Sabotage | None) -> int:
    """Run it and print the account; 0 only if it is closed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    ports_from = random.randrange(10_000, 30_000)  # two runs at a time need not try the same ports
    with _folder() as home:
        try:
            with set_up(
                home, hosts=hosts, speed=speed or DEFAULT_SPEED, port=0, ports_from=ports_from, quiet=True
            ) as stage:
                account = _roll_out(stage, how)
                peak = stage.console.peak_mb()
        except Exception:
            _tell_why(home)
            raise
        if not account.closed and how is None:
            _tell_why(home)
    said = account.as_json(hosts=hosts, console_peak_mb=peak, seconds=round(time.monotonic() - began, 1))
    if as_json:
        print(json.dumps(said), flush=True)
    else:
        _print(said)
    return 0 if account.closed else 1


@contextmanager
def _folder() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="rollcast-once-"))
    try:
        yield home
    finally:
        shutil.rmtree(home)


def _roll_out(stage: Stage, how: Sabotage | None) -> Account:
    """One rollout over the whole fleet, from the sign-in to the account."""
    browser = Browser(stage.url)
    browser.sign_in(stage.sign_in_link())
    rollout_id = browser.post("/api/rollouts", {"recipe": RECIPE, "idempotency_key": "demo-once"})["id"]
    received = asyncio.run(_receive(browser, rollout_id))
    if how is not None:
        received = sabotage(received, how)
    page = browser.get(f"/api/rollouts/{rollout_id}")
    return _account(stage, page, received)


async def _receive(browser: Browser, rollout_id: int) -> list[Event]:
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await receive(browser.url, browser.cookie_header(), f"rollout/{rollout_id}")
    except TimeoutError:
        raise Refused(f"the rollout did not end within {DEADLINE_S:.0f} s") from None


def _account(stage: Stage, page: dict[str, Any], received: list[Event]) -> Account:
    from rollcast.engine.states import TARGET_ENDS

    return close_account(
        journals=read_journals(stage.host_folders, page["rollout"]["id"]),
        stored=_stored(page["feed"]["key"]),
        received=received,
        target_states=[target["state"] for target in page["targets"]],
        end_states=frozenset(state.value for state in TARGET_ENDS),
    )


def read_journals(host_folders: Path, rollout_id: int) -> list[Journal]:
    """All journal files of the rollout, each with what was stored about it, in the order of the steps."""
    from livefeed import instance_epoch
    from rollcast.remote.connector import step_directory
    from rollcast.rollouts.queries import journal_account

    epoch = instance_epoch()
    journals = []
    known = set()
    for run in journal_account(rollout_id):
        directory = step_directory(epoch, rollout_id, run["target"], run["step"], run["attempt"])
        file = host_folders / run["name"] / directory / "run" / "journal"
        if not file.exists() and run["journal_bytes"] is None:
            continue  # a step without output: an upload, a wait
        known.add(file)
        journals.append(
            Journal(
                lane=f"t{run['target']}",
                origin=run["origin"],
                content=file.read_bytes() if file.exists() else b"",
                stored_bytes=run["journal_bytes"],
                stored_sha256=run["journal_sha256"],
            )
        )
    unknown = set(host_folders.glob(f"*/.rollcast/*/r{rollout_id}/*/*/*/run/journal")) - known
    return journals + [Journal("?", str(file), file.read_bytes(), None, "") for file in sorted(unknown)]


def _stored(key: str) -> list[Event]:
    import livefeed

    events: list[Event] = []
    after = 0
    while True:
        page = livefeed.read(key, after=after, limit=_STORED_PAGE)
        events.extend(events_of(page.groups))
        if page.to >= page.head:
            return events
        after = page.to


def _tell_why(home: Path) -> None:
    """An account that does not close is a fault of ours: say what the processes said."""
    for name in ("console.log", "fleet.log"):
        log = home / name
        if log.exists() and (text := log.read_text("utf-8", "replace").strip()):
            print(f"--- {name}\n{text[-8000:]}", file=sys.stderr, flush=True)


def _print(said: dict[str, Any]) -> None:
    lines = said["lines"]
    print(
        f"{said['hosts']} hosts: " + ", ".join(f"{n} {state}" for state, n in said["targets"].items()) + "\n"
        f"lines written {lines['written']}, stored {lines['stored']}, received {lines['received']}\n"
        f"lost {said['lost']}, repeated {said['repeated']}, disordered {said['disordered']}; "
        f"bytes {'the same' if said['bytes_same'] else 'NOT the same'}\n"
        f"console at most {said['console_peak_mb']} MB, {said['seconds']} s\n"
        f"the account is {'closed' if said['closed'] else 'OPEN'}"
    )
