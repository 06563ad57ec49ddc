"""A whole installation on real processes: console, workers, SSH hosts, a client; and its account at the end.

Everything is asked and told over HTTP, as a person would; the hosts' side is read from their journal files.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from rollcast.demo.account import Account, Difference, Event, Journal, close_account
from rollcast.demo.browser import Browser
from rollcast.demo.receiving import events_of
from rollcast.remote.connector import HostSpec
from tests.demo.fleets import RunningFleet
from tests.promises.processes import Process, rollcast
from tests.promises.receiver import Receiver
from tests.remote.hosts import Host, free_port
from tests.waiting import eventually

ENDS = frozenset({"succeeded", "failed", "cancelled", "skipped"})
# Periods short enough for a test; a busy machine must still keep them.
SETTINGS: dict[str, Any] = {
    "LEASE_BEAT_S": 0.3,
    "LEASE_TRUST_S": 3.0,
    "SWEEP_S": 0.2,
    "KEEPALIVE_S": 1.0,
    "RECONNECT_FIRST_S": 0.1,
    "RECONNECT_MAX_S": 0.5,
    "CONNECT_DEADLINE_S": 5.0,
    "SILENCE_LOOK_S": 1.0,
    "CANCEL_GRACE_S": 1.0,
}


class Installation:
    """One home. `start_console` first; `close` ends what was started. `link`: path of a sign-in link."""

    def __init__(self, home: Path, link: str = "") -> None:
        self.home = home
        self.link = link
        self.port = free_port()
        self._hosts: dict[str, Host] = {}
        self._processes: list[Process] = []
        self._browser: Browser | None = None
        (home / "recipes").mkdir(parents=True, exist_ok=True)
        self.settings()

    # -- processes -------------------------------------------------------------------------------------------

    def make_link(self) -> None:
        """A sign-in link; it is good once in every copy of this home."""
        said = rollcast("sign-in", "--home", str(self.home)).strip()
        self.link = said[said.index("/sign-in/") :]

    def settings(self, **more: Any) -> None:
        """Write settings.yml; processes that are started afterwards read it."""
        text = yaml.safe_dump({"ROLLCAST": SETTINGS | more})
        (self.home / "settings.yml").write_text(text, "utf-8")

    def start_console(self, *more: str, prepare: Callable[[], None] | None = None) -> Process:
        """`rollcast up` on this home's port."""
        argv = ("up", "--json", "--port", str(self.port), "--home", str(self.home), *more)
        return self._started(argv, "console", prepare)

    def start_worker(self) -> Process:
        """`rollcast worker`."""
        return self._started(("worker", "--home", str(self.home)), "worker")

    def _started(
        self, argv: tuple[str, ...], name: str, prepare: Callable[[], None] | None = None
    ) -> Process:
        process = Process(argv, self.home / f"{name}-{len(self._processes)}.log", prepare)
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End every process; workers first, so that nothing is taken over."""
        for process in reversed(self._processes):
            process.end()

    def logs(self) -> str:
        """What the processes said on stderr."""
        return "".join(file.read_text() for file in sorted(self.home.glob("*.log")))

    # -- what a person does ----------------------------------------------------------------------------------

    @property
    def browser(self) -> Browser:
        """A signed-in person."""
        if self._browser is None:
            self._browser = Browser(f"http://127.0.0.1:{self.port}")
            self._browser.sign_in(self._browser.url + self.link)
        return self._browser

    def import_host(self, host: Host, name: str = "far", **more: str) -> None:
        """Bring the host into the fleet, its key trusted."""
        spec = host.spec
        row = {
            "name": name,
            "address": spec.address,
            "port": spec.port,
            "user": spec.username,
            "key_file": spec.key_file,
            "host_key": spec.host_keys[0],
        }
        text = json.dumps([row | more])
        self.browser.post("/api/hosts/import", {"filename": "hosts.yml", "text": text})
        self._hosts[name] = host

    def import_fleet(self, fleet: RunningFleet) -> None:
        """Bring a whole demo fleet in."""
        text = json.dumps(fleet.rows)
        self.browser.post("/api/hosts/import", {"filename": "hosts.yml", "text": text})
        for row in fleet.rows:
            spec = HostSpec(row["name"], row["address"], int(row["port"]), row["user"], None, ())
            self._hosts[row["name"]] = Host(spec, fleet.home(row["name"]))

    def start(self, steps: str, **asked: Any) -> int:
        """Start a rollout of these steps on all hosts; its id."""
        recipe = f"name: promise\ntitle: Promise\nsteps:\n{steps}"
        (self.home / "recipes" / "promise.yml").write_text(recipe, "utf-8")
        asked = {"recipe": "promise", "selector": "*", "waves": "rest", **asked}
        return int(self.browser.post("/api/rollouts", asked)["id"])

    def ask(self, rollout: int, verb: str, **body: Any) -> None:
        """Pause, resume, cancel, accept, retry."""
        self.browser.post(f"/api/rollouts/{rollout}/{verb}", body)

    def receive(self, rollout: int) -> Receiver:
        """A client of the rollout's feed."""
        return Receiver(self.browser.url, self.browser.cookie_header(), f"rollout/{rollout}")

    def holder(self) -> int:
        """The pid of the process whose worker holds a target: pages do not show it, rows do."""
        worker, target = "rollcast_rollouts_worker", "rollcast_rollouts_target"
        query = f"SELECT info FROM {worker} w JOIN {target} t ON t.worker_id = w.id"
        with closing(self.database()) as database:
            ((info,),) = eventually(lambda: database.execute(query).fetchall())
        return int(json.loads(info)["pid"])

    def fence(self) -> int:
        """How often the only target was claimed."""
        with closing(self.database()) as database:
            ((fence,),) = database.execute("SELECT fence FROM rollcast_rollouts_target").fetchall()
        return int(fence)

    def database(self) -> sqlite3.Connection:
        """A connection of the test's own."""
        return sqlite3.connect(self.home / "rollcast.sqlite3", timeout=60, isolation_level=None)

    def freeze(self, process: Process) -> None:
        """Freeze it while we hold the database's write lock, so that the lock does not freeze with it."""
        with closing(self.database()) as database:
            database.execute("BEGIN IMMEDIATE")
            process.freeze()

    # -- what it shows ---------------------------------------------------------------------------------------

    def page(self, rollout: int) -> dict[str, Any]:
        """The rollout as the API has it."""
        found: dict[str, Any] = self.browser.get(f"/api/rollouts/{rollout}")
        return found

    def until(self, rollout: int, what: Callable[[dict[str, Any]], Any], deadline_s: float = 30) -> Any:
        """Wait until the rollout's page fulfils `what`; that page."""

        def fulfilled() -> dict[str, Any] | None:
            page = self.page(rollout)
            return page if what(page) else None

        try:
            return eventually(fulfilled, deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.page(rollout)}\n{self.logs()}") from None

    def until_step(self, rollout: int, state: str, step: int = 0, deadline_s: float = 30) -> dict[str, Any]:
        """Wait until the newest attempt of the step is in the state on every host; the page."""

        def there(page: dict[str, Any]) -> bool:
            runs = [[run for run in target["steps"] if run["step"] == step] for target in page["targets"]]
            return all(of_one and of_one[-1]["state"] == state for of_one in runs)

        page: dict[str, Any] = self.until(rollout, there, deadline_s)
        return page

    def until_ended(self, rollout: int, deadline_s: float = 60) -> dict[str, Any]:
        """The rollout's page once it has ended."""
        page: dict[str, Any] = self.until(rollout, lambda page: page["rollout"]["state"] in ENDS, deadline_s)
        return page

    def stored(self, rollout: int) -> list[Event]:
        """The whole feed as history pages give it."""
        key, after, epoch = f"rollout/{rollout}", 0, ""
        events: list[Event] = []
        while True:
            found = self.browser.get(f"/livefeed/history?feed={key}&epoch={epoch}&after={after}&limit=5000")
            events.extend(events_of(found["g"]))
            epoch, after = found["epoch"], found["to"]
            if after >= found["head"]:
                return events

    def journals(self, rollout: int) -> list[Journal]:
        """The journal files of the rollout's step runs, in the order in which its steps ran."""
        return list(self._journals(self.page(rollout)))

    def _journals(self, page: Mapping[str, Any]) -> Iterator[Journal]:
        for target in page["targets"]:
            home = self._hosts[target["name"]].home
            for run in target["steps"]:
                origin = f"{target['lane']}/s{run['step']}/a{run['attempt']}"
                files = list(home.glob(f".rollcast/*/r{page['rollout']['id']}/{origin}/run/journal"))
                if not files:
                    continue  # nothing of this attempt ran
                content = files[0].read_bytes()
                n_bytes, sha256 = run["journal_bytes"], run["journal_sha256"]
                if n_bytes is None:  # no exit record: its lines are compared all the same
                    n_bytes, sha256 = len(content), hashlib.sha256(content).hexdigest()
                yield Journal(target["lane"], origin, content, n_bytes, sha256)

    def account(self, rollout: int, receiver: Receiver) -> Account:
        """Written by the hosts, stored, received; nothing of it may be lost, repeated or out of order."""
        received = receiver.until_end()
        states = [target["state"] for target in self.page(rollout)["targets"]]
        account = close_account(self.journals(rollout), self.stored(rollout), received, states, ENDS)
        assert account.difference == Difference(), account
        assert account.closed, account
        return account
