"""`rollout watch` and what retention has taken."""

from __future__ import annotations

import json

import pytest

import livefeed
from rollcast.cli.watching import Screen, groups_of, show


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
