"""`livefeed_prune` and `livefeed_rotate_epoch`: what they do, say and refuse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

import livefeed
from livefeed.models import Feed
from tests.livefeed.oracle import write

pytestmark = pytest.mark.django_db


def run(*argv: str) -> str:
    said = StringIO()
    call_command(*argv, stdout=said, stderr=said)
    return said.getvalue().strip()


@pytest.fixture
def three_feeds() -> None:
    """report/7 with 100 events of long ago and 50 of now; report/8 closed long ago; chat."""
    long_ago = datetime.now(UTC) - timedelta(days=40)
    for first in range(0, 100, 10):
        items = [str(n) for n in range(first, first + 10)]
        livefeed.append(
            "report/7", [livefeed.Chunk("t", "line", items)], at_ms=int(long_ago.timestamp() * 1000)
        )
    write("report/7", 50)
    write("report/8", 20)
    livefeed.close("report/8")
    Feed.objects.filter(key="report/8").update(closed_at=long_ago)
    write("chat", 30)


def firsts() -> dict[str, int]:
    return dict(Feed.objects.values_list("key", "first"))


@pytest.mark.usefixtures("three_feeds")
@pytest.mark.parametrize(
    ("argv", "said", "after"),
    [
        (
            ["--older-than", "30d"],
            "report/7: 100 events in 10 frames removed, 101 to 150 are kept",
            {"report/7": 101, "report/8": 1, "chat": 1},
        ),
        (
            ["report/*", "--keep", "0"],
            (
                "report/7: 150 events in 15 frames removed, none is kept\n"
                "report/8: 20 events in 2 frames removed, none is kept"
            ),
            {"report/7": 151, "report/8": 21, "chat": 1},
        ),
        (
            ["chat", "--before-seq", "15"],
            "chat: 10 events in 1 frame removed, 11 to 30 are kept",
            {"report/7": 1, "report/8": 1, "chat": 11},
        ),
        (
            ["report/*", "--delete-closed", "720h", "--keep", "100"],
            (
                "report/8: deleted whole, with its last 20 events\n"
                "report/7: 50 events in 5 frames removed, 51 to 150 are kept"
            ),
            {"report/7": 51, "chat": 1},
        ),
        (["*", "--delete-closed", "41d"], "Nothing to remove.", {"report/7": 1, "report/8": 1, "chat": 1}),
        (["chat", "--keep", "1000"], "Nothing to remove.", {"report/7": 1, "report/8": 1, "chat": 1}),
    ],
)
def test_prune_removes_what_is_named_and_says_so(argv: list[str], said: str, after: dict[str, int]) -> None:
    before = firsts()
    would = said.replace(" removed", " would be removed").replace(" deleted", " would be deleted")
    assert run("livefeed_prune", *argv, "--dry-run") == would
    assert firsts() == before
    assert run("livefeed_prune", *argv) == said
    assert firsts() == after


@pytest.mark.usefixtures("three_feeds")
@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "Say what may go: --before-seq, --older-than, --keep or --delete-closed."),
        (["--before-seq", "5"], "name that one"),
        (["chat", "report/7", "--before-seq", "5"], "name that one"),
        (["chat", "nothing", "rep*t", "--keep", "5"], "There is no feed 'nothing', 'rep*t'."),
        (["chat", "--before-seq", "0"], "Seq counts from 1: 0."),
        (["--keep", "-1"], "cannot be -1."),
        (["--older-than", "soon"], "'soon' is no age"),
        (["--older-than", "0d"], "'0d' is no age"),
        (["--delete-closed", "30"], "30d, 12h, 90m"),
        (["--delete-closed", "30d"], "name them"),
    ],
)
def test_prune_refuses_what_it_does_not_understand(argv: list[str], said: str) -> None:
    before = firsts()
    with pytest.raises(CommandError, match=r".") as caught:
        run("livefeed_prune", *argv)
    assert said in str(caught.value)
    assert firsts() == before


@pytest.mark.parametrize("key", [[], ["f"]], ids=["installation", "feed"])
def test_rotate_explains_itself_and_asks(monkeypatch: pytest.MonkeyPatch, key: list[str]) -> None:
    write("f", 1)
    write("g", 1)
    epochs = [livefeed.head(feed).epoch for feed in "fg"]

    def answer(text: str) -> Any:
        return lambda _prompt: text

    monkeypatch.setattr("builtins.input", answer("no"))
    with pytest.raises(CommandError, match="Nothing was changed"):
        run("livefeed_rotate_epoch", *key)
    assert [livefeed.head(feed).epoch for feed in "fg"] == epochs
    monkeypatch.setattr("builtins.input", answer("yes"))
    said = run("livefeed_rotate_epoch", *key)
    assert "begin anew" in said
    assert "Nothing is deleted" in said
    changed = [livefeed.head(feed).epoch != epoch for feed, epoch in zip("fg", epochs, strict=True)]
    assert changed == [True, not key]
    assert said.split()[-1].rstrip(".") in livefeed.head("f").epoch


def test_rotate_needs_somebody_to_ask_or_a_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", gone)
    with pytest.raises(CommandError, match="--yes"):
        run("livefeed_rotate_epoch")
    epoch = livefeed.instance_epoch()
    run("livefeed_rotate_epoch", "--yes")
    assert livefeed.instance_epoch() != epoch


@pytest.mark.parametrize("argv", [["nothing"], ["nothing", "--yes"]])
def test_the_epoch_of_no_feed_cannot_be_rotated(argv: list[str]) -> None:
    with pytest.raises(CommandError, match="There is no feed 'nothing'"):
        run("livefeed_rotate_epoch", *argv)
    with pytest.raises(livefeed.FeedNotFound):
        livefeed.rotate_epoch("nothing")
