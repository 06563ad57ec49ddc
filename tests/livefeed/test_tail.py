"""`livefeed_tail` and `livefeed_list`: in process for what they print, as a process for how they end."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

import livefeed
from livefeed import Chunk
from livefeed.models import Feed
from tests.livefeed.conftest import DOORBELLS
from tests.livefeed.serving import ROOT
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

PROGRAM = """
import sys
from django.conf import settings
from django.core.management import execute_from_command_line
from tests.livefeed.serving import settings as sample

settings.configure(**sample())
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""
END_S = 30.0


def fill(*lines: object, lane: str = "a", kind: str = "line") -> None:
    livefeed.append("f", [Chunk(lane, kind, lines, origin="o")])


def printed(*words: str) -> tuple[list[str], str]:
    """(lines on stdout, text on stderr) of a command that is called in this process."""
    out, err = io.StringIO(), io.StringIO()
    call_command(*words, stdout=out, stderr=err)
    return out.getvalue().splitlines(), err.getvalue()


@contextmanager
def process(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A command as a process, on the test's database."""
    kept = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    started = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, *words],
        env=kept
        | {
            "LIVE_DATABASE": str(connection.settings_dict["NAME"]),
            "LIVE_DOORBELL": DOORBELLS["sqlite"],
            "LIVE_COOKIE": settings.SESSION_COOKIE_NAME,
            "PYTHONPATH": str(ROOT),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with started:
        try:
            yield started
            started.wait(END_S)
        finally:
            started.kill()


def test_events_are_printed_with_seq_and_lane() -> None:
    fill("one", {"text": "two", "flags": []})
    fill({"done": 1, "of": 2}, kind="progress")
    fill("half", kind="cont", lane="b")
    assert printed("livefeed_tail", "f") == (
        ["1  a  one", "2  a  two", '3  a  progress {"done": 1, "of": 2}', "4  b  half…"],
        "",
    )
    assert printed("livefeed_tail", "f", "--after", "2", "--lane", "b")[0] == ["4  b  half…"]


def test_a_hostile_line_cannot_steer_the_terminal() -> None:
    fill("\x1b]0;owned\x07 \u202e \r ok\t　漢字")
    assert printed("livefeed_tail", "f")[0] == ["1  a  \\x1b]0;owned\\x07 \\u202e \\r ok\t　漢字"]


def test_json_is_what_was_stored() -> None:
    fill("one", "\x1b")
    [first, second] = [json.loads(line) for line in printed("livefeed_tail", "f", "--json")[0]]
    assert first.pop("at") > 0
    assert first == {"seq": 1, "lane": "a", "kind": "line", "origin": "o", "data": "one"}
    assert second["data"] == "\x1b"


def test_more_than_one_page_is_printed_whole() -> None:
    for _ in range(6):
        fill(*["x"] * 1000)
    lines, _ = printed("livefeed_tail", "f", "--after", "10")
    assert [int(line.split(" ")[0]) for line in lines] == list(range(11, 6001))


def test_what_cannot_be_printed_is_said() -> None:
    with pytest.raises(CommandError, match="no feed 'nothing'"):
        printed("livefeed_tail", "nothing")
    fill("one", "two", "three")
    epoch = livefeed.head("f").epoch
    assert printed("livefeed_tail", "f", "--after", f"{epoch}:2")[0] == ["3  a  three"]
    for cursor in ("4", "other:2"):
        with pytest.raises(CommandError, match="begin anew, without --after"):
            printed("livefeed_tail", "f", "--after", cursor)
    with pytest.raises(CommandError, match="neither a number nor EPOCH:NUMBER"):
        printed("livefeed_tail", "f", "--after", "x")
    assert printed("livefeed_tail", "f", "--lane", "z") == ([], "There is no lane 'z' so far. Lanes: a\n")


def test_events_that_are_no_longer_kept_are_counted() -> None:
    fill("one")
    fill("two")
    fill("three")
    Feed.objects.filter(key="f").update(first=3)
    assert printed("livefeed_tail", "f", "--after", "1") == (
        ["3  a  three"],
        "1 events before these are no longer kept.\n",
    )


def test_it_follows_until_the_feed_is_closed() -> None:
    fill("one")
    with process("livefeed_tail", "f", "--follow") as tail:
        assert tail.stdout is not None
        assert tail.stdout.readline() == "1  a  one\n"
        fill("two")
        assert tail.stdout.readline() == "2  a  two\n"
        livefeed.append("f", [Chunk("a", "line", ["three"])])
        livefeed.close("f")
        assert tail.communicate(timeout=END_S) == ("3  a  three\n", "")
    assert tail.returncode == 0


def test_ctrl_c_ends_it_and_it_says_how_to_go_on() -> None:
    fill("one", "two")
    with process("livefeed_tail", "f", "--follow") as tail:
        assert tail.stdout is not None
        assert [tail.stdout.readline() for _ in range(2)] == ["1  a  one\n", "2  a  two\n"]
        tail.send_signal(signal.SIGINT)
        _, said = tail.communicate(timeout=END_S)
    assert (tail.returncode, said) == (130, f"Go on with --after {livefeed.head('f').epoch}:2\n")


def test_a_pipe_that_nobody_reads_ends_it_quietly() -> None:
    fill("one")
    with process("livefeed_tail", "f", "--follow") as tail:
        assert tail.stdout is not None
        assert tail.stdout.readline() == "1  a  one\n"
        tail.stdout.close()

        def ended() -> bool:
            fill("more")
            return tail.poll() is not None

        eventually(ended, END_S, "its end")
        assert tail.stderr is not None
        assert tail.stderr.read() == ""
    assert tail.returncode == 0


def test_feeds_are_listed() -> None:
    fill("one", "two")
    livefeed.close("f")
    livefeed.append("report/7", [])
    assert printed("livefeed_list")[0] == ["f  1…2  closed", "report/7  1…0  open"]
    [line] = printed("livefeed_list", "report/", "--json")[0]
    assert json.loads(line) == {"feed": "report/7", "first": 1, "head": 0, "closed": False}
