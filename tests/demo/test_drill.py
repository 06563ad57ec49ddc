"""A drill's parts: how long its rollout is, what it remarks on, and the posts that it keeps."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import pytest

from rollcast.demo.children import ChildFailed
from rollcast.demo.crew import Post
from rollcast.demo.drill import remarks_on, waves_of
from tests.waiting import aeventually

READY = "print('{}', flush=True)"


@pytest.mark.parametrize(
    ("hosts", "seconds", "waves"),
    [
        (8, 15, ("4, rest", 2)),
        (8, 60, ("2, 2, 2, rest", 4)),
        (8, 3600, ("1, 1, 1, 1, 1, 1, 1, rest", 8)),
        (1, 15, ("rest", 1)),
        (24, 60, ("5, 5, 5, 5, rest", 5)),
    ],
)
def test_a_longer_drill_has_more_waves(hosts: int, seconds: float, waves: tuple[str, int]) -> None:
    assert waves_of(hosts, seconds) == waves


def page(*targets: dict[str, Any]) -> dict[str, Any]:
    return {
        "steps": [{"name": "stop"}, {"name": "health check"}],
        "targets": [
            {"name": f"host-{n}", "reason": "", "detail": "", "steps": [], **target}
            for n, target in enumerate(targets)
        ],
    }


def run(state: str, attempt: int = 1, reason: str = "", step: int = 0) -> dict[str, Any]:
    return {"step": step, "attempt": attempt, "state": state, "reason": reason, "detail": ""}


@pytest.mark.parametrize(
    "target",
    [
        {"state": "succeeded", "step_index": 2, "steps": [run("succeeded"), run("succeeded", step=1)]},
        {"state": "failed", "step_index": 1, "steps": [run("succeeded"), run("failed", step=1)]},
        {
            "state": "succeeded",
            "step_index": 2,
            "steps": [run("interrupted", 1, "nothing_ran"), run("succeeded", 2)],
        },
    ],
    ids=["all went well", "the ill host", "a start that was cut off"],
)
def test_what_belongs_to_a_drill_is_not_remarked_on(target: dict[str, Any]) -> None:
    assert list(remarks_on(page(target))) == []


@pytest.mark.parametrize(
    ("target", "remark"),
    [
        ({"state": "failed", "step_index": 0, "reason": "exit 1"}, "host-0 is failed at stop: exit 1"),
        ({"state": "lost", "step_index": 1, "reason": "contact_lost"}, "host-0 is lost at health check"),
        (
            {"state": "succeeded", "step_index": 2, "steps": [run("failed"), run("succeeded", 2)]},
            "host-0: stop ran 2 times",
        ),
        (
            {"state": "succeeded", "step_index": 2, "steps": [run("interrupted", 1, "gone")]},
            "host-0: stop was interrupted: gone",
        ),
    ],
)
def test_what_a_fault_must_not_do_is_remarked_on(target: dict[str, Any], remark: str) -> None:
    (said,) = remarks_on(page(target))
    assert said.startswith(remark)


def post(code: str, patience_s: float = 20.0) -> Post:
    made = Post("child", [sys.executable, "-c", f"import signal, time; {code}"], None, patience_s)
    made.start()
    return made


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_post_that_is_struck_is_filled_again(number: signal.Signals) -> None:
    kept = post(f"signal.signal(15, lambda *_: exit(0)); {READY}; time.sleep(600)")
    keeping = asyncio.create_task(kept.keep())
    try:
        before = kept.child.process.pid
        kept.strike(number)
        await aeventually(lambda: kept.child.process.pid != before and kept.child.process.poll() is None)
        assert kept.remarks == []
    finally:
        keeping.cancel()
        kept.end()


async def test_a_post_that_is_left_by_itself_is_a_fault_of_ours() -> None:
    kept = post(f"{READY}; exit(3)")
    with pytest.raises(ChildFailed, match=r"the child ended by itself \(exit code 3\)"):
        await kept.keep()
    kept.end()


@pytest.mark.parametrize(
    ("handler", "patience_s", "remark"),
    [
        ("lambda *_: exit(4)", 20.0, "did so with exit code 4"),
        ("signal.SIG_IGN", 0.1, "did not end within 0.1 s"),
    ],
    ids=["in disorder", "not at all"],
)
async def test_a_post_that_does_not_end_in_order_is_remarked_on(
    handler: str, patience_s: float, remark: str
) -> None:
    kept = post(f"signal.signal(15, {handler}); {READY}; time.sleep(600)", patience_s)
    before = kept.child.process.pid
    keeping = asyncio.create_task(kept.keep())
    try:
        kept.strike(signal.SIGTERM)
        await aeventually(lambda: kept.child.process.pid != before)
        assert [remark in said for said in kept.remarks] == [True]
    finally:
        keeping.cancel()
        kept.child.process.kill()
        kept.end()
