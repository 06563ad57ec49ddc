"""The reader of event streams: whole events only, however they were cut on the way."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

TAKE = """async (pieces) => {
  const { EventParser } = await import("/static/livefeed/sse.js");
  const parser = new EventParser();
  return pieces.map((piece) => parser.take(piece));
}"""
STREAM = (
    ": hello\n\nretry: 5\ndata: one\n\nid: e:1\ndata:two\ndata: lines\nevent: x\n\ndata\n\ndatabase: no\n\n"
)
EVENTS = ["one", "two\nlines", ""]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_a_stream_reads_the_same_in_one_piece_and_cut_at_every_character(page: Page, end: str) -> None:
    stream = STREAM.replace("\n", end)
    assert page.evaluate(TAKE, [stream]) == [EVENTS]
    assert [event for events in page.evaluate(TAKE, list(stream)) for event in events] == EVENTS


def test_an_event_comes_out_with_its_blank_line_and_not_before(page: Page) -> None:
    pieces = ["data: one", "\n", "data: more\n", "\ndata: half", ""]
    assert page.evaluate(TAKE, pieces) == [[], [], [], ["one\nmore"], []]


def test_an_event_without_end_is_given_up(page: Page) -> None:
    stuff = """async (piece) => {
      const { EventParser } = await import("/static/livefeed/sse.js");
      const parser = new EventParser();
      try {
        for (let n = 0; n < 100; n += 1) parser.take(piece(n));
      } catch (error) {
        return error.name;
      }
      return null;
    }"""
    for line in ("'x'.repeat(2 ** 17)", "`data: ${'x'.repeat(2 ** 17)}\\n`"):
        assert page.evaluate(f"() => ({stuff})(() => {line})") == "RangeError"
    endless_comment = "`: ${'x'.repeat(2 ** 17)}\\n`"
    assert page.evaluate(f"() => ({stuff})(() => {endless_comment})") is None
