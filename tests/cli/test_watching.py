"""`rollout watch`: what it says beside the lines."""

from __future__ import annotations

import json
import time

import pytest

import livefeed
from rollcast.cli.showing import print_rollout
from rollcast.cli.watching import Screen, Standstills, groups_of, show
from rollcast.rollouts import leases


def test_what_became_of_hosts_and_workers_is_said_with_evidence_and_time() -> None:
    at_ms = 1_763_900_000_000
    at = time.strftime("%H:%M:%S", time.localtime(at_ms / 1000))
    screen = Screen({"t1": "eu-01"}, ["stop"], colour=False)
    step = {"step": 0, "state": "cancelled", "exit_code": None, "reason": "", "detail": ""}
    told = [
        ("t1", "target.state", {"state": "lost", "reason": "contact_lost", "since_ms": at_ms}),
        ("t1", "target.taken_over", {"before": "w1", "by": "w2", "silent_since_ms": at_ms}),
        ("t1", "step.state", step | {"stop_evidence": "stopped"}),
        ("t1", "step.state", step | {"stop_evidence": "unconfirmed", "detail": "nobody \x1b[2Janswers"}),
        (
            "rollout",
            "rollout.accepted",
            {"by": "user:olga", "targets": ["eu-01"], "reason": "\x1b]0;mine\x07scrap"},
        ),
    ]
    lines = [line for lane, kind, data in told for line in screen.lines([lane, kind, None, at_ms, 1, [data]])]
    assert lines == [
        f"eu-01 · lost (contact_lost, since {at})",
        f"eu-01 · worker w1 was silent since {at}; w2 goes on",
        "eu-01 · 1 stop cancelled (stopped)",
        "eu-01 · 1 stop cancelled (unconfirmed, nobody answers)",
        "rollout · eu-01 accepted as unconfirmed by user:olga: scrap",
    ]


@pytest.mark.parametrize("evidence", ["stopped", "already_ended", "unconfirmed"])
def test_a_rollout_shows_what_was_seen_of_each_cancelled_step(
    evidence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = {"stop_evidence": evidence, "detail": "", "accepted_by": "", "journal_same": None}
    target = {"name": "eu-01", "wave": 0, "state": "cancelled", "step_index": 0, "reason": "", "detail": ""}
    page = {
        "rollout": {"id": 1, "title": "update", "state": "cancelled", "reason": ""},
        "steps": [{"index": 0}],
        "targets": [target | {"steps": [run], "since_ms": 0}],
    }
    print_rollout(page, {"eu-01": None})
    assert capsys.readouterr().out.splitlines()[2].split() == ["eu-01", "1", "cancelled", "1/1", evidence]


@pytest.mark.django_db
def test_what_keeps_everything_from_going_on_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    said = Standstills(every_s=0)
    beat_at = time.time() - 3600
    leases.register("w1", beat_at, {})
    since = time.strftime("%H:%M:%S", time.localtime(beat_at))
    said.look()
    said.look()
    assert capsys.readouterr().err.splitlines() == [
        f"rollcast: No worker is running. (since {since})",
        "          Nothing happens until one does: start rollcast worker.",
    ]
    leases.register("w2", time.time() + 60, {})
    said.look()
    said.look()
    assert capsys.readouterr().err == "rollcast: It goes on.\n"


@pytest.mark.django_db
def test_a_watcher_is_told_what_is_no_longer_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """Before what is kept, and while it watches; a line that was begun is shown as far as it came."""

    def write(kind: str, *items: str) -> None:
        livefeed.append("rollout/1", [livefeed.Chunk("t1", kind, items, origin="t1/s0/a1")])

    write("line", "gone")
    write("cont", "begun")
    livefeed.prune("rollout/1", keep=1)
    screen = Screen({"t1": "eu-01"}, ["one"], colour=False)
    groups = groups_of("rollout/1")
    show(next(groups), screen, as_json=False)
    show(next(groups), screen, as_json=False)
    write("line", "gone, too")
    write("line", "kept")
    livefeed.prune("rollout/1", keep=1)
    livefeed.close("rollout/1")
    for group in groups:
        show(group, screen, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "rollout · 1 older event is no longer kept",
        "eu-01 | begun",
        "rollout · 1 older event is no longer kept",
        "eu-01 | kept",
    ]
    show(next(groups_of("rollout/1")), screen, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"pruned": 3, "first": 4}
