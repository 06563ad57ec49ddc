"""Bad input at every door: the message names the place and the cure, and nothing half-made stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest
from django.apps import apps
from pytest_django.fixtures import Settings

from rollcast.fleet.actions import import_host_rows
from rollcast.rollouts.actions import StartRequest, start_rollout
from rollcast.rollouts.queries import rollout_page
from rollcast.worker.run import WorkerProcess
from tests.doors.bad_starts import GOOD, STARTS, BadStart
from tests.doors.doors import Door
from tests.remote.hosts import free_port, strange_host
from tests.waiting import eventually


def rows() -> dict[str, int]:
    """How many rows each table holds."""
    return {model._meta.label: model._default_manager.count() for model in apps.get_models()}


@pytest.mark.usefixtures("fleet", "recipes")
@pytest.mark.parametrize("bad", STARTS, ids=lambda bad: bad.name)
def test_a_start_that_cannot_be(door: Door, bad: BadStart) -> None:
    before = rows()
    said = door.start({**GOOD, **bad.given})
    assert said.startswith(bad.place), said
    assert bad.says in said
    assert bad.cure in said
    assert rows() == before


def test_a_recipe_with_an_unknown_key(door: Door, recipes: Path, fleet: None) -> None:
    before = rows()
    said = door.check_recipe(recipes / "wrong.yml")
    assert "wrong.yml" in said
    assert "line 6" in said or " 6 " in said
    assert "steps[0].timeot" in said
    assert "Did you mean timeout?" in said
    door.start({**GOOD, "recipe": "wrong"})
    assert rows() == before


@dataclass(frozen=True)
class BadHost:
    """A host that a rollout cannot use: its reason, and words of what every door says of it."""

    name: str
    reason: str
    cure: str


HOSTS = (
    BadHost("unknown host key", "host_key_unknown", "rollcast hosts trust far"),
    BadHost("unreachable host", "unreachable", "Check its address and port"),
)


@pytest.fixture
def strange_server() -> Iterator[int]:
    """The port of an SSH server whose key nobody has trusted."""
    with strange_host() as port:
        yield port


@pytest.mark.parametrize("bad", HOSTS, ids=lambda bad: bad.name)
def test_a_host_that_cannot_take_part(
    door: Door, bad: BadHost, strange_server: int, recipes: Path, tmp_path: Path, settings: Settings
) -> None:
    settings.ROLLCAST = {**settings.ROLLCAST, "CONNECT_DEADLINE_S": 0.2}
    port = strange_server if bad.reason == "host_key_unknown" else free_port()
    key_file = tmp_path / "key"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(key_file)
    row = {"name": "far", "address": "127.0.0.1", "port": str(port), "user": "x", "key_file": str(key_file)}
    import_host_rows([row], "test", "user:olga")
    asked = StartRequest("hello", {"version": "1.2"}, selector="*", failure_budget="0")
    rollout_id = start_rollout(asked, "user:olga")
    worker = WorkerProcess("test").run_in_thread()
    try:
        eventually(lambda: rollout_page(rollout_id)["rollout"]["state"] == "failed", 30)
    finally:
        assert worker.stop(timeout_s=20)
    said = door.show(rollout_id)
    assert "far" in said
    assert bad.cure in said
    (target,) = rollout_page(rollout_id)["targets"]
    assert (target["state"], target["reason"]) == ("failed", bad.reason)
    assert bad.reason == "host_key_unknown" or f"127.0.0.1:{port}" in said
    ran = [step for step in target["steps"] if step["journal_bytes"] or step["state"] == "succeeded"]
    assert ran == []
