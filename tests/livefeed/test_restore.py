"""An older backup comes back, or events go, while clients watch a real server: nobody is left in silence.

The installation is a database file of its own beside the test's, so that it can be copied and replaced.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from typing_extensions import override

import livefeed
from tests.chaos import ChaosProxy
from tests.livefeed.conftest import DOORBELLS, new_server
from tests.livefeed.followers import DEADLINE_S, RAW, Follower, Visitor
from tests.livefeed.oracle import Applied, lines, write
from tests.livefeed.raw_client import RawClient, Reset, Wire
from tests.livefeed.serving import ORIGIN, Server
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def opened(database: Path) -> Iterator[None]:
    """This process works on another database file."""
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = str(database)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


def copy(source: Path | str, to: Path) -> None:
    """As docs/backup.md does it: whole, whoever writes meanwhile; onto a living database, too."""
    with closing(sqlite3.connect(source)) as whole, closing(sqlite3.connect(to, timeout=20)) as other:
        whole.backup(other)


def write_anew(count: int) -> None:
    """Events that the restored installation has and the one before it had not."""
    livefeed.append("f", [livefeed.Chunk("t", "line", [f"anew {n}" for n in range(count)])])


class Installation:
    """A server with a database of its own, a proxy in front of it, and those who watch."""

    def __init__(self, folder: Path, server: Server, proxy: ChaosProxy, visitors: list[Visitor]) -> None:
        self.live, self.backup = folder / "live.sqlite3", folder / "backup.sqlite3"
        self.server, self.proxy = server, proxy
        self._visitors = visitors
        self.pool = ThreadPoolExecutor(len(visitors))
        self.watching: list[tuple[Follower, Future[Applied]]] = []

    def watch(self) -> None:
        """Every client follows the feed; answers once all have everything."""
        clients = [visitor.client("f", self.proxy.port, attempts=5000) for visitor in self._visitors]
        self.watching = [(client, self.pool.submit(client.follow, DEADLINE_S)) for client in clients]
        head = livefeed.head("f").head
        eventually(lambda: all(client.seq == head for client in clients), DEADLINE_S)

    def all_are_reset(self) -> list[Reset]:
        """What each client was told, instead of anything else."""
        told = []
        for client, followed in self.watching:
            with pytest.raises(Reset) as caught:
                followed.result(DEADLINE_S)
            told.append(caught.value)
            if isinstance(client, RawClient):
                assert [item for _, item in client.applied.events] == lines(1, 300)
        return told

    def all_begin_anew(self) -> None:
        """Who comes without a cursor gets the restored history, whole and to its end."""
        livefeed.close("f")
        for visitor in self._visitors:
            visitor.client("f", self.proxy.port).follow(DEADLINE_S).assert_is_log("f")


@pytest.fixture(params=sorted(DOORBELLS))
def installation(request: pytest.FixtureRequest, cookie: str, tmp_path: Path) -> Iterator[Installation]:
    """Olga with each kind of client; 200 events are in the backup, 300 have been seen by everybody."""
    live = tmp_path / "live.sqlite3"
    copy(connection.settings_dict["NAME"], live)
    with opened(live):
        server = new_server(request.param)
        server.start()
        with ChaosProxy(("127.0.0.1", server.port)) as proxy:
            visitors = [Visitor(cookie, kind) for kind in ("reference", *RAW)]
            made = Installation(tmp_path, server, proxy, visitors)
            try:
                write("f", 200)
                copy(live, made.backup)
                write("f", 100)
                made.watch()
                yield made
            finally:
                server.stop()
                made.pool.shutdown(wait=False)


def test_a_backup_that_is_rotated_first_resets_everybody_at_once(installation: Installation) -> None:
    """The restored history is already past what they have seen: by its numbers alone nobody could tell."""
    with opened(installation.backup):
        call_command("livefeed_rotate_epoch", "--yes", verbosity=0)
        write_anew(200)
    connection.close()
    copy(installation.backup, installation.live)
    assert [(told.reason, told.head) for told in installation.all_are_reset()] == [("epoch", 400)] * 4
    installation.all_begin_anew()


def test_a_backup_put_under_a_running_server_leaves_nobody_waiting(installation: Installation) -> None:
    connection.close()
    copy(installation.backup, installation.live)
    write_anew(50)
    call_command("livefeed_rotate_epoch", "--yes", verbosity=0)
    write_anew(300)
    assert {told.reason for told in installation.all_are_reset()} <= {"ahead", "epoch"}
    installation.all_begin_anew()


def test_a_backup_restored_while_the_server_is_off_resets_whoever_comes_back(
    installation: Installation,
) -> None:
    """The way of docs/backup.md: stop, copy, rotate, start."""
    installation.server.stop()
    connection.close()
    for suffix in ("-wal", "-shm"):
        installation.live.with_name(installation.live.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(installation.backup, installation.live)
    call_command("livefeed_rotate_epoch", "--yes", verbosity=0)
    write_anew(150)
    installation.server.start()
    installation.proxy.retarget(installation.server.port)
    assert {told.reason for told in installation.all_are_reset()} == {"epoch"}
    installation.all_begin_anew()


def test_a_cursor_of_before_the_restore_gets_no_page(installation: Installation) -> None:
    raw = next(client for client, _ in installation.watching if isinstance(client, RawClient))
    page = RawClient(raw.port, raw.headers, "f", epoch=raw.epoch, after=150)
    connection.close()
    copy(installation.backup, installation.live)
    call_command("livefeed_rotate_epoch", "--yes", verbosity=0)
    with pytest.raises(Reset) as caught:
        page.read_history()
    assert (caught.value.reason, caught.value.head) == ("epoch", 200)
    installation.all_are_reset()


def test_a_slow_cursor_below_what_is_pruned_is_told_and_goes_on(
    server: Server, cookie: str, feed: str
) -> None:
    write(feed, 3000)
    client = RawClient(server.port, {"Cookie": cookie, "Origin": ORIGIN}, feed)
    with Wire(server.port, client.headers) as wire:
        wire.say(t="hello")
        client.subscribe(wire, 0)
        while client.seq < 100:  # nothing is acknowledged: the window closes in the middle of the feed
            message = wire.hear()
            if message["t"] == "ev":
                client.apply(message)
        livefeed.prune(feed, before=2001)
        while (message := wire.hear())["t"] != "reset":
            if message["t"] == "ev":
                client.apply(message)
        assert (message["reason"], message["first"], message["head"]) == ("pruned", 2001, 3000)
        assert client.applied.events == list(enumerate(lines(1, client.seq), 1))
        assert client.seq < 2000
    livefeed.close(feed)
    rest = RawClient(server.port, client.headers, feed, epoch=message["epoch"], after=message["first"] - 1)
    rest.follow(DEADLINE_S).assert_is_log(feed, 2000)


def test_events_that_go_while_a_client_is_away_are_announced(
    server: Server, visitor: Visitor, feed: str
) -> None:
    write(feed, 300)
    epoch = livefeed.head(feed).epoch
    livefeed.prune(feed, before=201)
    with pytest.raises(Reset) as caught:
        visitor.client(feed, server.port, epoch=epoch, after=100).follow(DEADLINE_S)
    assert (caught.value.reason, caught.value.first) == ("pruned", 201)
    livefeed.close(feed)
    visitor.client(feed, server.port, epoch=epoch, after=200).follow(DEADLINE_S).assert_is_log(feed, 200)


class Overtaken(RawClient):
    """Retention removes events while it applies its first page."""

    @override
    def apply(self, message: Mapping[str, Any]) -> None:
        super().apply(message)
        livefeed.prune(self.feed, before=9001)


def test_events_that_go_between_two_pages_are_announced(server: Server, cookie: str, feed: str) -> None:
    write(feed, 12_000, per_append=1000)
    client = Overtaken(server.port, {"Cookie": cookie, "Origin": ORIGIN}, feed)
    with pytest.raises(Reset) as caught:
        client.read_history()
    assert (caught.value.reason, caught.value.first, client.seq) == ("pruned", 9001, 5000)
    assert client.applied.events == list(enumerate(lines(1, 5000), 1))
