"""`livefeed_tail` and `livefeed_list`: in process for what they print, as a process for how they end."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from typing_extensions import override

import livefeed
from livefeed import Chunk, tail
from tests.livefeed.conftest import DOORBELLS
from tests.livefeed.serving import environment
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
def process(*words: str, bell: str = "sqlite") -> Iterator[subprocess.Popen[str]]:
    """A command as a process, on the test's database."""
    file, changed = str(connection.settings_dict["NAME"]), {"DOORBELL": DOORBELLS[bell]}
    started = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, *words],
        env=environment(file, changed),
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
    livefeed.prune("f", keep=1)
    assert printed("livefeed_tail", "f", "--after", "1") == (
        ["3  a  three"],
        "1 events before these are no longer kept.\n",
    )


def between_two_looks(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Three events; and this happens once the command has seen the head, before it reads them."""
    for text in ("one", "two", "three"):
        fill(text)

    def read_late(*arguments: Any) -> livefeed.Page:
        monkeypatch.undo()
        happens()
        return livefeed.read(*arguments)

    monkeypatch.setattr(tail, "read", read_late)


def test_events_that_go_while_it_reads_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    between_two_looks(monkeypatch, lambda: livefeed.prune("f", keep=1))
    said = "2 events before these are no longer kept.\n"
    assert printed("livefeed_tail", "f") == (["3  a  three"], said)


def test_a_feed_that_becomes_another_while_it_reads_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    between_two_looks(monkeypatch, lambda: livefeed.rotate_epoch("f"))
    with pytest.raises(CommandError, match="begin anew, without --after"):
        printed("livefeed_tail", "f")


def test_it_follows_until_the_feed_is_closed() -> None:
    fill("one")
    with process("livefeed_tail", "f", "--follow") as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "1  a  one\n"
        fill("two")
        assert started.stdout.readline() == "2  a  two\n"
        livefeed.append("f", [Chunk("a", "line", ["three"])])
        livefeed.close("f")
        assert started.communicate(timeout=END_S) == ("3  a  three\n", "")
    assert started.returncode == 0


def test_without_any_bell_it_follows_all_the_same() -> None:
    fill("one")
    with process("livefeed_tail", "f", "--follow", bell="muted") as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "1  a  one\n"
        fill("two")
        livefeed.close("f")
        assert started.communicate(timeout=END_S) == ("2  a  two\n", "")
    assert started.returncode == 0


def test_ctrl_c_ends_it_and_it_says_how_to_go_on() -> None:
    fill("one", "two")
    with process("livefeed_tail", "f", "--follow") as started:
        assert started.stdout is not None
        assert [started.stdout.readline() for _ in range(2)] == ["1  a  one\n", "2  a  two\n"]
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=END_S)
    assert (started.returncode, said) == (130, f"Go on with --after {livefeed.head('f').epoch}:2\n")


class CtrlC(io.StringIO):
    """An output on which a line is seen, and Ctrl-C pressed, before the writer is told that it went out."""

    @override
    def write(self, text: str) -> int:
        written = super().write(text)
        if text.startswith("2 "):
            signal.raise_signal(signal.SIGINT)
        return written


def test_ctrl_c_while_a_line_goes_out_does_not_print_it_again() -> None:
    fill("one", "two", "three")
    out, err = CtrlC(), io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("livefeed_tail", "f", stdout=out, stderr=err)
    assert (ended.value.code, out.getvalue()) == (130, "1  a  one\n2  a  two\n")
    assert err.getvalue() == f"Go on with --after {livefeed.head('f').epoch}:2\n"


def test_a_pipe_that_nobody_reads_ends_it_quietly() -> None:
    fill("one")
    with process("livefeed_tail", "f", "--follow") as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "1  a  one\n"
        started.stdout.close()

        def ended() -> bool:
            fill("more")
            return started.poll() is not None

        eventually(ended, END_S, "its end")
        assert started.stderr is not None
        assert started.stderr.read() == ""
    assert started.returncode == 0


def test_feeds_are_listed() -> None:
    fill("one", "two")
    livefeed.close("f")
    livefeed.append("report/7", [])
    assert printed("livefeed_list")[0] == ["f  1…2  closed", "report/7  1…0  open"]
    [line] = printed("livefeed_list", "report/", "--json")[0]
    assert json.loads(line) == {"feed": "report/7", "first": 1, "head": 0, "closed": False}
