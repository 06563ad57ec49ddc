"""Whole rollouts over real hosts (this machine) with the real runner."""

from __future__ import annotations

from tests.worker.conftest import Bench


def test_a_rollout_of_one_step_over_one_host_succeeds(bench: Bench) -> None:
    bench.hosts("eu-01")
    bench.recipe("- name: say\n  run: echo hello\n")
    rollout = bench.start()
    bench.worker()
    page = bench.until_ended(rollout)
    assert page["rollout"]["state"] == "succeeded"
    assert bench.states(rollout) == {"eu-01": "succeeded"}
