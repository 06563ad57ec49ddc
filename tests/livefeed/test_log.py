"""The log: numbers without gaps, repeats recognised, all or nothing."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, transaction

import livefeed
from livefeed import Chunk
from livefeed.frames import EVENT_BYTES, FRAME_EVENTS
from livefeed.log import MarkMoved
from livefeed.models import Frame, FrameIndex, Instance, Lane, Origin
from livefeed.pages import LogDamaged
from tests.livefeed.oracle import Applied, lines, write
from tests.refusals import refused_in_turn

pytestmark = pytest.mark.django_db


def line(*items: Any, lane: str = "t1", **fields: Any) -> Chunk:
    return Chunk(lane, "line", items, **fields)


def test_events_are_numbered_from_1_and_come_back_as_they_went_in() -> None:
    results = livefeed.append(
        "f", [line("a", "b"), line({"text": "c"}, lane="t2", lane_name="web-2")], at_ms=5
    )
    assert [(result.status, result.first, result.last) for result in results] == [
        ("stored", 1, 2),
        ("stored", 3, 3),
    ]
    page = livefeed.read("f")
    assert page.groups == [
        ["t1", "line", None, 5, 1, ["a", "b"]],
        ["t2", "line", None, 5, 3, [{"text": "c"}]],
    ]
    assert (page.first, page.head, page.prev, page.to, page.closed) == (1, 3, 0, 3, False)
    assert Lane.objects.get(key="t2").name == "web-2"


def test_a_page_holds_at_most_its_limit_and_the_next_one_goes_on() -> None:
    write("f", 100, per_append=7)
    applied, after = Applied(), 0
    for limit in (1, 2, 7, 10, 33, 1000):
        page = livefeed.read("f", after, limit)
        assert 0 < page.to - after <= limit
        applied.add_groups(page.groups)
        after = page.to
    applied.assert_is_log("f")
    assert livefeed.read("f", 100).to == 100


def test_a_lane_is_read_by_itself_across_index_and_tail() -> None:
    write("f", 1000, per_append=3, lanes=7)
    assert FrameIndex.objects.count() == 334 // 64
    wanted = [item for group in livefeed.read("f").groups if group[0] == "t3" for item in group[5]]
    found: list[str] = []
    after = 0
    while (page := livefeed.read("f", after, 50, lane="t3")).to > after:
        assert sum(len(group[5]) for group in page.groups) <= 50
        found += [item for group in page.groups for item in group[5]]
        after = page.to
    assert found == wanted
    assert after == 1000
    assert livefeed.read("f", 0, lane="nobody").to == 1000


def test_a_large_append_becomes_several_frames_in_one_order() -> None:
    many = [str(number) for number in range(2 * FRAME_EVENTS + 1)]
    livefeed.append("f", [line(*many), line("x" * 40_000, "y" * 40_000), line("z")])
    assert Frame.objects.count() == 6
    Applied(list(enumerate([*many, "x" * 40_000, "y" * 40_000, "z"], 1))).assert_is_log("f")


def test_a_repeated_append_is_a_no_op_and_a_gap_is_refused() -> None:
    first = line("a", "b", origin="o", before=0, after=4)
    assert livefeed.append("f", [first])[0].mark == 4
    results = livefeed.append(
        "f",
        [
            first,
            line("d", origin="o", before=6, after=8),
            line("c", origin="o", before=4, after=6),
            line("d", origin="o", before=6, after=8),
            line("x", origin="other", before=0, after=1),
        ],
    )
    assert [result.status for result in results] == ["already", "gap", "stored", "stored", "stored"]
    assert [result.mark for result in results] == [4, 4, 6, 8, 1]
    assert [item for group in livefeed.read("f").groups for item in group[5]] == ["a", "b", "c", "d", "x"]
    assert livefeed.mark("f", "o") == 8
    assert livefeed.marks("f", ["o", "other", "nobody"]) == {"o": 8, "other": 1}


def test_a_mark_may_move_without_an_event() -> None:
    assert livefeed.append("f", [line(origin="o", before=0, after=9)])[0].mark == 9
    assert livefeed.head("f").head == 0
    assert livefeed.mark("f", "o") == 9


def test_a_mark_that_moved_behind_our_back_stops_the_append(monkeypatch: pytest.MonkeyPatch) -> None:
    livefeed.append("f", [line("a", origin="o", before=0, after=4)])

    def meddle(*_: object) -> None:
        Origin.objects.update(mark=5)

    monkeypatch.setattr("livefeed.log._store", meddle)
    with pytest.raises(MarkMoved):
        livefeed.append("f", [line("b", origin="o", before=4, after=6)])


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_append_leaves_no_trace() -> None:
    write("f", 3)

    def fail() -> None:
        with transaction.atomic():
            livefeed.append("f", [line("lost", origin="o", before=0, after=4)])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert livefeed.mark("f", "o") == 0
    write("f", 3)
    assert [item for group in livefeed.read("f").groups for item in group[5]] == lines(1, 6)


@pytest.mark.django_db(transaction=True)
def test_an_append_of_which_any_part_is_refused_leaves_no_trace() -> None:
    write("f", 3)
    refused = refused_in_turn(
        lambda: livefeed.append("f", [line("x", lane="new", origin="o", before=0, after=4)]),
        lambda: (livefeed.read("f"), livefeed.mark("f", "o"), Lane.objects.count()),
    )
    assert [sql for sql in refused if "livefeed_origin" in sql]
    assert (livefeed.head("f").head, livefeed.mark("f", "o")) == (4, 4)


@pytest.mark.parametrize(
    "chunk",
    [
        line("x", lane=""),
        line("x", lane="two\nlines"),
        line("x", lane="x" * 65),
        Chunk("t", "\0", ["x"]),
        line(float("nan")),
        line("x" * EVENT_BYTES),
        line("x", before=0, after=1),
        line("x", origin="o", before=1),
        line("x", origin="o", before=4, after=4),
        line("x", origin="o", before=-1, after=4),
    ],
)
def test_what_cannot_be_stored_is_refused_before_anything_is_written(chunk: Chunk) -> None:
    with pytest.raises(ValueError, match=r"."):
        livefeed.append("f", [line("fine"), chunk])
    with pytest.raises(livefeed.FeedNotFound):
        livefeed.head("f")


def test_odd_text_comes_back_unchanged() -> None:
    odd: list[Any] = [
        "\0",
        "\ud800 alone",
        "\udfff",
        "𝄞 中文",
        "\u2028",
        '"\\',
        "",
        None,
        1.5,
        [],
        {"k": ["v"]},
    ]
    livefeed.append("f", [line(*odd)])
    assert livefeed.read("f").groups[0][5] == odd
    assert livefeed.read("f", 1, 2).groups[0][5] == odd[1:3]


def test_a_feed_closes_and_goes_on() -> None:
    write("f", 3)
    livefeed.close("f")
    livefeed.close("f")
    assert livefeed.head("f").closed
    livefeed.reopen("f")
    write("f", 1)
    state = livefeed.head("f")
    assert (state.closed, state.head) == (False, 4)
    with pytest.raises(livefeed.FeedNotFound):
        livefeed.close("nothing")
    with pytest.raises(livefeed.FeedNotFound):
        livefeed.read("nothing")


def test_the_epoch_belongs_to_the_feed_and_to_the_installation() -> None:
    write("f", 1)
    write("g", 1)
    before = livefeed.head("f").epoch
    assert before == livefeed.head("f").epoch != livefeed.head("g").epoch
    assert before.startswith(livefeed.instance_epoch())
    Instance.objects.update(epoch="restored")
    assert livefeed.head("f").epoch != before


def test_several_feeds_take_one_transaction() -> None:
    results = livefeed.append_many([("z", [line("a")]), ("a", [line("b", "c")]), ("z", [line("d")])])
    assert [[result.first for result in each] for each in results] == [[1], [1], [2]]
    assert livefeed.head("a").head == livefeed.head("z").head == 2


def test_a_hole_is_never_skipped() -> None:
    write("f", 30)
    Frame.objects.filter(last=20).delete()
    with pytest.raises(LogDamaged, match="11 to 20"):
        livefeed.read("f", 5)
    Frame.objects.filter(last=30).delete()
    with pytest.raises(LogDamaged, match="nothing stored after 20"):
        livefeed.read("f", 20)


@pytest.mark.django_db(transaction=True)
def test_many_writers_make_one_gap_free_feed() -> None:
    def produce(number: int) -> None:
        for turn in range(25):
            marks = {"origin": f"o{number}", "before": turn, "after": turn + 1}
            livefeed.append("f", [line(f"{number}.{turn}", f"{number}.{turn}+", lane=f"t{number}", **marks)])
        connection.close()

    threads = [threading.Thread(target=produce, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    page = livefeed.read("f")
    assert page.head == 200
    assert [group[4] for group in page.groups] == list(range(1, 200, 2))
    for number in range(4):
        items = [item for group in livefeed.read("f", lane=f"t{number}").groups for item in group[5]]
        assert items == [f"{number}.{turn}{end}" for turn in range(25) for end in ("", "+")]


@pytest.mark.django_db(transaction=True)
async def test_a_coroutine_appends_by_the_writer_thread() -> None:
    assert [result.last for result in await livefeed.aappend("f", [line("a", "b")])] == [2]
