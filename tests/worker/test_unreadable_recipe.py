"""A rollout whose recipe can no longer be read (by a newer Rollcast, say) says so and waits for a person."""

from __future__ import annotations

from typing import Any

from rollcast.rollouts import actions, queries
from rollcast.rollouts.models import RecipeRevision
from tests.remote.processes import is_alive
from tests.worker.conftest import Bench, joined_lines

LONG = "- name: long\n  run: echo here; sleep 300\n- name: then\n  run: echo then\n"


def spoil() -> str:
    """Make the only recipe revision unreadable; what it was."""
    revision = RecipeRevision.objects.get()
    was = revision.text
    RecipeRevision.objects.update(text=was.replace("steps:", "paces:"))
    return was


def waits(page: dict[str, Any]) -> bool:
    """Whether the only target waits for a person because of its recipe, and says what is wrong."""
    (target,) = page["targets"]
    return (target["state"], target["reason"]) == ("running", "recipe_unreadable") and (
        "paces" in target["detail"]
    )


def spoiled_under_way(bench: Bench, steps: str) -> int:
    """A rollout whose recipe was spoiled during its first step, and whose next worker says so; its id."""
    bench.hosts("a")
    bench.recipe(steps)
    rollout = bench.start()
    first = bench.worker()
    bench.until_step(rollout, 0, "running")
    assert first.stop(timeout_s=20)
    spoil()
    bench.worker()
    bench.until(rollout, waits)
    return rollout


def test_nothing_is_begun_and_a_cancel_ends_it(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe(LONG)
    rollout = bench.start()
    spoil()
    bench.worker()
    bench.until(rollout, waits)
    assert queries.rollout_list()["rollouts"][0]["waiting"] == 1
    assert bench.run_folders(rollout) == []
    actions.cancel_rollout(rollout, "user:olga")
    page = bench.until_ended(rollout)
    assert (page["rollout"]["state"], page["targets"][0]["state"]) == ("cancelled", "cancelled")


def test_a_step_under_way_goes_on_and_a_cancel_still_stops_it(bench: Bench) -> None:
    rollout = spoiled_under_way(bench, LONG)
    page = bench.page(rollout)
    assert [step["index"] for step in page["steps"]] == [0]
    pids = bench.pids(rollout)
    assert pids
    actions.cancel_rollout(rollout, "user:olga")
    page = bench.until_ended(rollout)
    assert page["targets"][0]["steps"][0]["stop_evidence"] == "stopped"
    assert not any(is_alive(pid) for pid in pids)


def test_a_wait_under_way_is_cancelled_without_any_doubt(bench: Bench) -> None:
    rollout = spoiled_under_way(bench, "- name: soak\n  wait: 300s\n")
    actions.cancel_rollout(rollout, "user:olga")
    assert bench.until_ended(rollout)["targets"][0]["steps"][0]["stop_evidence"] == "stopped"


def test_it_goes_on_once_the_recipe_can_be_read_again(bench: Bench) -> None:
    bench.hosts("a")
    bench.recipe("- name: say\n  run: echo said\n")
    rollout = bench.start()
    was = spoil()
    first = bench.worker()
    bench.until(rollout, waits)
    assert first.stop(timeout_s=20)
    RecipeRevision.objects.update(text=was)
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert page["targets"][0]["reason"] == ""
    assert joined_lines(rollout, page["targets"][0]["id"], 0, 1) == "said\n"
