"""Whatever is appended, pruned and read, in any order: a cursor gets exactly what follows it, or a reset."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import livefeed
from livefeed import Chunk, EventsPruned, retention
from livefeed.frames import Group
from tests.livefeed.oracle import lines

pytestmark = pytest.mark.django_db

LANES = ("a", "b", "c")
_numbers = count()

appends = st.tuples(st.just("append"), st.integers(1, 40), st.sampled_from(LANES), st.integers(0, 3))
prunes = st.tuples(
    st.just("prune"), st.sampled_from(["before", "keep"]), st.integers(1, 400), st.integers(0, 3)
)
reads = st.tuples(
    st.just("read"),
    st.integers(0, 450),
    st.integers(1, 60),
    st.sampled_from([None, None, *LANES, "nobody"]),
    st.none() | st.integers(0, 450),
)


class Model:
    """What the feed should be: every event ever appended, and the first that is kept."""

    def __init__(self, feed: str) -> None:
        self.feed = feed
        self.events: list[tuple[str, str]] = []  # (lane, item)
        self.frames: list[int] = [0]  # the last seq of each
        self.first = 1

    def append(self, size: int, lane: str, more: int) -> None:
        chunks = [Chunk(lane, "line", lines(len(self.events) + 1, size))]
        chunks += [Chunk(LANES[n], "line", [f"{n}"]) for n in range(more)]
        livefeed.append(self.feed, chunks)
        self.events += [(chunk.lane, item) for chunk in chunks for item in chunk.items]
        self.frames.append(len(self.events))

    def prune(self, limit: str, n: int, batches: int) -> None:
        if not self.events:
            return
        limits: dict[str, Any] = {limit: n, "batches": batches or None}
        pruned = livefeed.prune(self.feed, **limits)
        wanted = n if limit == "before" else len(self.events) + 1 - n
        self.first = max(self.first, max(last for last in self.frames if last < max(wanted, 1)) + 1)
        assert pruned.first == self.first

    def read(self, after: int, limit: int, lane: str | None, until: int | None) -> None:
        if not self.events:
            return
        head = len(self.events)
        if after < self.first - 1:
            with pytest.raises(EventsPruned) as caught:
                livefeed.read(self.feed, after, limit, lane, until)
            assert caught.value.first == self.first
            return
        page = livefeed.read(self.feed, after, limit, lane, until)
        assert (page.first, page.head, page.prev) == (self.first, head, after)
        end = head if until is None else min(head, until)
        assert page.to == after if after >= end else after < page.to <= end
        wanted = [
            (seq, of, item)
            for seq, (of, item) in enumerate(self.events, 1)
            if after < seq <= page.to and lane in (None, of)
        ]
        assert list(flat(page.groups)) == wanted
        assert len(wanted) <= limit


def flat(groups: list[Group]) -> list[tuple[int, str, str]]:
    return [(seq, group[0], item) for group in groups for seq, item in enumerate(group[5], group[4])]


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(acts=st.lists(appends | prunes | reads, min_size=1, max_size=25))
def test_a_cursor_gets_what_follows_it_or_a_reset(acts: list[tuple[Any, ...]]) -> None:
    model = Model(f"f{next(_numbers)}")
    for name, *args in acts:
        getattr(model, name)(*args)
    model.append(1, "a", 0)
    cursor = model.first - 1
    while cursor < len(model.events):
        model.read(cursor, 50, None, None)
        cursor = livefeed.read(model.feed, cursor, 50).to
    livefeed.prune(model.feed, keep=0)
    assert retention.holding([model.feed]) == set()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small that some dozens of frames meet every bound."""
    monkeypatch.setattr("livefeed.log.FRAMES_PER_INDEX", 4)
    monkeypatch.setattr("livefeed.pages._INDEX_ROWS", 2)
    monkeypatch.setattr("livefeed.pages._BATCH", 3)
    monkeypatch.setattr("livefeed.retention.BATCH_FRAMES", 3)
