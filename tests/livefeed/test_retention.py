"""Retention: only the oldest go, in whole frames, and the log stays readable from what is first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

import livefeed
from livefeed import Chunk, EventsPruned, FeedNotFound, FeedOpen, pages, retention
from livefeed.models import Feed, Frame, FrameIndex, Lane, Origin
from tests.livefeed.oracle import Applied, lines, write

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def at(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def assert_kept_from(first: int, feed: str = "f") -> None:
    """The feed begins with `first`, everything from there on can be read, and nothing else is stored."""
    assert livefeed.head(feed).first == first
    applied = Applied()
    after = first - 1
    while (page := livefeed.read(feed, after, 37)).to > after:
        applied.add_groups(page.groups)
        after = page.to
    applied.assert_is_log(feed, first - 1)
    assert not Frame.objects.filter(feed__key=feed, last__lt=first).exists()


@pytest.mark.parametrize(
    ("limits", "first"),
    [
        ({"before": 1}, 1),
        ({"before": 10}, 1),
        ({"before": 11}, 11),
        ({"before": 15}, 11),
        ({"before": 1000}, 101),
        ({"keep": 100}, 1),
        ({"keep": 25}, 71),
        ({"keep": 0}, 101),
        ({"older_than": NOON}, 1),
        ({"older_than": NOON + timedelta(minutes=2)}, 21),
        ({"older_than": NOON + timedelta(days=2)}, 101),
        ({"before": 11, "keep": 50, "older_than": NOON}, 51),
    ],
)
def test_whole_frames_go_from_the_oldest_on(limits: dict[str, Any], first: int) -> None:
    for minute in range(10):
        chunk = Chunk("t", "line", lines(minute * 10 + 1, 10))
        livefeed.append("f", [chunk], at_ms=at(NOON + timedelta(minutes=minute)))
    said = retention.preview("f", **limits)
    pruned = livefeed.prune("f", **limits)
    assert said == pruned
    assert (pruned.events, pruned.frames, pruned.first, pruned.head) == (
        first - 1,
        (first - 1) // 10,
        first,
        100,
    )
    assert_kept_from(first)
    write("f", 30)
    assert_kept_from(first)
    assert livefeed.prune("f", **limits | {"before": 1}).events >= 0


def test_nothing_that_is_young_goes_because_a_clock_jumped() -> None:
    for minute in (0, 50, 1, 51):
        livefeed.append("f", [Chunk("t", "line", ["x"])], at_ms=at(NOON + timedelta(minutes=minute)))
    livefeed.prune("f", older_than=NOON + timedelta(minutes=30))
    assert_kept_from(2)


def test_a_cursor_before_what_is_kept_is_an_error_that_says_where_to_go_on() -> None:
    write("f", 100, lanes=3)
    livefeed.prune("f", before=51)
    for lane in (None, "t1", "nobody"):
        with pytest.raises(EventsPruned, match="before 51 are no longer kept") as caught:
            livefeed.read("f", 49, lane=lane)
        assert caught.value.first == 51
        assert livefeed.read("f", 50, lane=lane).to == 100


def test_lanes_and_marks_outlive_the_events() -> None:
    for turn in range(200):
        marks: dict[str, Any] = {"origin": "o", "before": turn, "after": turn + 1}
        livefeed.append("f", [Chunk(f"t{turn % 5}", "line", [turn], **marks)])
    assert FrameIndex.objects.count() == 3
    livefeed.prune("f", keep=50)
    assert FrameIndex.objects.count() == 1
    assert [item for group in livefeed.read("f", 150, lane="t3").groups for item in group[5]] == list(
        range(153, 200, 5)
    )
    again = Chunk("t0", "line", [199], origin="o", before=199, after=200)
    assert livefeed.append("f", [again])[0].status == "already"
    write("f", 800, per_append=2)
    assert_kept_from(151)
    livefeed.prune("f", keep=0)
    assert (FrameIndex.objects.count(), Lane.objects.count(), livefeed.mark("f", "o")) == (0, 5, 200)
    write("f", 300, per_append=2, lanes=5)
    of_all = [group for group in livefeed.read("f", 1000).groups if group[0] == "t3"]
    assert livefeed.read("f", 1000, lane="t3").groups == of_all != []


def test_what_an_interrupted_prune_left_goes_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH_FRAMES", 7)
    write("f", 300)
    pruned = livefeed.prune("f", before=201, batches=2)
    assert (pruned.events, pruned.frames, pruned.more) == (200, 14, True)
    assert livefeed.head("f").first == 201
    with pytest.raises(EventsPruned):
        livefeed.read("f", 190)
    assert retention.holding(["f", "g"]) == {"f"}
    pruned = livefeed.prune("f")
    assert (pruned.events, pruned.frames, pruned.more) == (0, 6, False)
    assert_kept_from(201)


@pytest.mark.parametrize("limits", [{"before": 0}, {"keep": -1}])
def test_a_limit_that_makes_no_sense_is_refused(limits: dict[str, Any]) -> None:
    write("f", 10)
    with pytest.raises(ValueError, match=r"."):
        livefeed.prune("f", **limits)
    assert_kept_from(1)


def test_only_a_closed_feed_is_deleted_and_with_all_that_is_its_own() -> None:
    livefeed.append("f", [Chunk("t", "line", ["x"], origin="o", before=0, after=1)])
    write("g", 10)
    with pytest.raises(FeedOpen):
        livefeed.delete("f")
    assert_kept_from(1)
    livefeed.close("f")
    epoch = livefeed.head("f").epoch
    livefeed.delete("f")
    with pytest.raises(FeedNotFound):
        livefeed.head("f")
    for rows in (Feed, Frame, Lane):
        assert rows._default_manager.count() == 1
    assert not Origin.objects.exists()
    assert_kept_from(1, "g")
    write("f", 5)
    assert livefeed.head("f").epoch != epoch
    assert_kept_from(1)
    with pytest.raises(FeedNotFound):
        livefeed.delete("nothing")


def test_a_feed_that_goes_on_while_it_is_deleted_keeps_what_was_added(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("f", 10)
    livefeed.close("f")
    prune = retention.prune

    def prune_slowly(*args: Any, **limits: Any) -> Any:
        pruned = prune(*args, **limits)
        livefeed.reopen("f")
        write("f", 10)
        livefeed.close("f")
        return pruned

    monkeypatch.setattr(retention, "prune", prune_slowly)
    with pytest.raises(FeedOpen, match="meanwhile"):
        livefeed.delete("f")
    assert_kept_from(11)


@pytest.mark.parametrize("lane", [None, "t1"])
@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda: livefeed.prune("f", before=201), EventsPruned),
        (lambda: livefeed.prune("f", before=51), None),
        (lambda: livefeed.delete("f"), FeedNotFound),
    ],
    ids=["pruned", "pruned elsewhere", "deleted"],
)
def test_a_read_during_which_events_go_says_so(
    monkeypatch: pytest.MonkeyPatch,
    lane: str | None,
    act: Callable[[], Any],
    error: type[Exception] | None,
) -> None:
    """They go between the look at the head and that at the rows; of a lane, also after that at its index."""
    write("f", 700, lanes=3)
    livefeed.close("f")
    expected = livefeed.read("f", 50, lane=lane)
    for step in ("_rows",) if lane is None else ("_lasts", "_of_lane"):
        with monkeypatch.context() as patch, transaction.atomic():
            patch.setattr(pages, step, after_once(act, getattr(pages, step)))
            if error is None:
                assert livefeed.read("f", 50, lane=lane).groups == expected.groups
            else:
                with pytest.raises(error):
                    livefeed.read("f", 50, lane=lane)
            transaction.set_rollback(True)


def after_once(act: Callable[[], Any], call: Callable[..., Any]) -> Callable[..., Any]:
    """The call, before which `act` happens the first time."""
    pending = [act]

    def held(*args: Any) -> Any:
        if pending:
            pending.pop()()
        return call(*args)

    return held


@pytest.mark.django_db(transaction=True)
def test_a_prune_within_a_transaction_that_fails_leaves_everything() -> None:
    write("f", 300)

    def fail() -> None:
        with transaction.atomic():
            livefeed.prune("f", keep=10, batches=1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert_kept_from(1)
