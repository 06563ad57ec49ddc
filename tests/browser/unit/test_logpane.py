"""<log-pane>: few nodes for any number of lines, the right line at every position, following and pausing."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.waiting import eventually

pytestmark = pytest.mark.browser

VIEW_PX = 600
ROW_PX = 20
OPEN = """async (height) => {
  await import("/static/console/js/rollout/logpane.js");
  const pane = document.createElement("log-pane");
  window.pane = pane;
  pane.hostName = (lane) => `host-${lane.slice(1)}`;
  document.body.append(pane);
  pane.querySelector(".lp-scroll").style.setProperty("height", `${height}px`);
  let seq = 0;
  window.add = (n, text = (i) => `line ${i}`) => {
    for (let i = 0; i < n; i += 1) {
      seq += 1;
      const lane = `t${seq % 3}`;
      pane.store.add({ kind: "line", lane, origin: `${lane}/s0/a1`, at: 1000 + seq, seq, data: text(seq) });
    }
    pane.appended(1000 + seq);
  };
  window.drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  await drawn();  // only then it knows its height
}"""
ROWS = """async () => {
  await drawn();
  const box = document.querySelector(".lp-scroll").getBoundingClientRect();
  const text = (row, part) => row.querySelector(part).textContent;
  return [...document.querySelectorAll(".lp-row")]
    .map((row) => ({ row, top: row.getBoundingClientRect().top - box.top }))
    .filter(({ row, top }) => row.style.display !== "none" && top > -20 && top < box.height)
    .sort((a, b) => a.top - b.top)
    .map(({ row, top }) => ({ ...row.dataset, top, row }))
    .map(({ row, ...rest }) => ({ ...rest, text: text(row, ".lp-text"), host: text(row, ".lp-host") }));
}"""


@pytest.fixture
def pane(page: Page) -> Page:
    page.evaluate(OPEN, VIEW_PX)
    return page


def rows(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(ROWS)
    return found


def scroll_to(page: Page, share: float) -> None:
    page.evaluate(
        """(share) => {
          const scroller = document.querySelector(".lp-scroll");
          scroller.scrollTop = share * (scroller.scrollHeight - scroller.clientHeight);
        }""",
        share,
    )


def scroller(page: Page) -> Locator:
    return page.get_by_role("log")


def assert_contiguous(shown: list[dict[str, Any]], fill: bool = True) -> None:
    """The rows follow each other without a hole, show what they are, and fill the view."""
    lines = [int(row["line"]) for row in shown]
    assert lines == list(range(lines[0], lines[0] + len(lines)))
    for row in shown:
        assert row["text"] == f"line {row['seq']}"
    tops = [row["top"] for row in shown]
    assert all(abs(b - a - ROW_PX) < 0.01 for a, b in pairwise(tops))
    if fill:
        assert tops[0] <= 0.5
        assert tops[-1] + ROW_PX >= VIEW_PX - 0.5


@pytest.mark.parametrize("lines", [10_000, 200_000, 600_000])
def test_few_nodes_and_the_right_lines_at_twenty_positions(pane: Page, lines: int) -> None:
    """600,000 lines are 12 million px: the scaled scroller."""
    pane.evaluate("(n) => add(n)", lines)
    shown = rows(pane)
    assert_contiguous(shown)
    assert int(shown[-1]["line"]) == lines
    for n in range(20):
        scroll_to(pane, n / 19)
        shown = rows(pane)
        assert_contiguous(shown)
        expected = 1 + n / 19 * (lines - VIEW_PX / ROW_PX)
        assert abs(int(shown[0]["line"]) - expected) <= 2
    assert pane.evaluate("() => document.querySelectorAll('.lp-row').length") <= 200
    assert int(shown[-1]["line"]) == lines


def test_wheel_and_keys_move_by_lines_in_a_scaled_scroller_too(pane: Page) -> None:
    pane.evaluate("() => add(600000)")
    scroll_to(pane, 0.5)
    first = int(rows(pane)[0]["line"])
    scroller(pane).hover()
    pane.mouse.wheel(0, 60)
    eventually(lambda: int(rows(pane)[0]["line"]) == first + 3)
    scroller(pane).focus()
    for key, moved in [("ArrowDown", 4), ("ArrowUp", 3), ("PageDown", 32), ("PageUp", 3)]:
        pane.keyboard.press(key)
        assert int(rows(pane)[0]["line"]) == first + moved, key
    pane.keyboard.press("Home")
    assert int(rows(pane)[0]["line"]) == 1
    pane.keyboard.press("End")
    assert int(rows(pane)[-1]["line"]) == 600_000


def test_it_follows_until_the_reader_scrolls_up_and_again_at_the_end(pane: Page) -> None:
    pane.evaluate("() => add(1000)")
    pill = pane.locator(".lp-pill")
    expect(pill).to_be_hidden()
    scroller(pane).hover()
    pane.mouse.wheel(0, -400)
    eventually(lambda: pane.evaluate("() => pane.following") is False)
    eventually(lambda: int(rows(pane)[-1]["line"]) == 980)
    pane.evaluate("() => add(1240)")
    assert int(rows(pane)[-1]["line"]) == 980
    expect(pill).to_have_text("↓ 1,240 new lines")
    pill.click()
    expect(pill).to_be_hidden()
    assert int(rows(pane)[-1]["line"]) == 2240
    scroller(pane).focus()
    pane.keyboard.press("PageUp")
    assert pane.evaluate("() => pane.following") is False
    pane.keyboard.press("End")
    assert pane.evaluate("() => pane.following") is True
    pane.evaluate("() => add(1)")
    assert int(rows(pane)[-1]["line"]) == 2241


def test_a_reader_can_scroll_up_while_lines_pour_in(pane: Page) -> None:
    pane.evaluate("() => { add(1000); window.pour = setInterval(() => add(5), 5); }")
    scroller(pane).hover()
    for _ in range(3):
        pane.mouse.wheel(0, -200)
    eventually(lambda: pane.evaluate("() => pane.following") is False)
    place = eventually(lambda: stable(pane))
    pane.evaluate("() => clearInterval(pour)")
    assert_contiguous(rows(pane))
    assert int(rows(pane)[0]["line"]) == place


def stable(page: Page) -> int:
    """The first line, once two looks agree on it; else 0."""
    first, second = int(rows(page)[0]["line"]), int(rows(page)[0]["line"])
    return first if first == second else 0


def test_selecting_pauses(pane: Page) -> None:
    pane.evaluate("() => add(100)")
    box = pane.locator(".lp-text").first.bounding_box()
    assert box
    pane.mouse.move(box["x"] + 2, box["y"] + 8)
    pane.mouse.down()
    pane.mouse.move(box["x"] + 40, box["y"] + 30, steps=4)
    pane.mouse.up()
    assert pane.evaluate("() => pane.following") is False


def test_one_host_and_back_to_all(pane: Page) -> None:
    pane.evaluate("() => { add(300); pane.showLane('t1'); }")
    shown = rows(pane)
    assert {row["host"] for row in shown} == {"host-1"}
    assert int(shown[-1]["line"]) == 100
    assert shown[-1]["origin"] == "t1/s0/a1"
    assert shown[-1]["nth"] == "100"
    expect(pane.locator(".lp-host-title")).to_have_text("host-1")
    pane.evaluate("() => pane.showLane('t7')")
    expect(pane.locator(".lp-empty")).to_be_visible()
    pane.evaluate("() => pane.showLane(null)")
    assert int(rows(pane)[-1]["line"]) == 300


def test_an_unfinished_line_grows_in_its_place(pane: Page) -> None:
    piece = """([kind, data, seq]) => {
      pane.store.add({ kind, lane: "t1", origin: "o", at: 1, seq, data });
      pane.appended(1);
    }"""
    pane.evaluate(piece, ["cont", "downloading 10%", 1])
    assert [row["text"] for row in rows(pane)] == ["downloading 10%"]
    expect(pane.locator(".lp-row.is-open")).to_have_count(1)
    pane.evaluate(piece, ["cont", "\rdownloading 80%", 2])
    assert [row["text"] for row in rows(pane)] == ["downloading 80%"]
    pane.evaluate(piece, ["line", "\rdone", 3])
    assert [row["text"] for row in rows(pane)] == ["done"]
    expect(pane.locator(".lp-row.is-open")).to_have_count(0)


def test_search_counts_exactly_walks_and_sees_new_lines(pane: Page) -> None:
    pane.evaluate("() => add(20000, (i) => (i % 1000 === 0 ? `\\x1b[31mERR\\x1b[0mor ${i}` : `fine ${i}`))")
    field = pane.get_by_role("searchbox")
    hits = pane.locator(".lp-hits")
    field.fill("error ")
    expect(hits).to_have_text("20 lines")
    current = pane.locator(".lp-row.is-current-hit .lp-text")
    field.press("Enter")  # the next one from what is seen, which is the end
    expect(hits).to_have_text("20 of 20 lines")
    expect(current).to_have_text("ERRor 20000")
    field.press("Enter")
    expect(hits).to_have_text("1 of 20 lines")
    expect(current).to_have_text("ERRor 1000")
    field.press("Shift+Enter")
    expect(current).to_have_text("ERRor 20000")
    pane.evaluate("() => add(2000, (i) => (i === 21000 ? 'an Error too' : 'fine'))")
    expect(hits).to_have_text("20 of 21 lines")
    field.press("Enter")
    expect(hits).to_have_text("21 of 21 lines")
    field.press("Escape")
    expect(hits).to_have_text("")
    assert field.input_value() == ""


def test_a_hit_that_a_later_piece_makes_is_found(pane: Page) -> None:
    piece = "([kind, data]) => pane.store.add({ kind, lane: 't1', origin: 'o', at: 1, seq: 11, data })"
    pane.evaluate("() => add(10)")
    pane.evaluate(piece, ["cont", "nee"])
    pane.evaluate("() => add(10)")
    pane.get_by_role("searchbox").fill("needle")
    expect(pane.locator(".lp-hits")).to_have_text("0 lines")
    pane.evaluate(piece, ["line", "dle"])
    pane.evaluate("() => pane.appended(1)")
    expect(pane.locator(".lp-hits")).to_have_text("1 line")


def test_the_next_failure_is_found_from_the_notes(pane: Page) -> None:
    pane.evaluate(
        """() => {
          const seen = { lane: "t1", origin: "o", at: 1, seq: 0 };
          for (const [alarm, text] of [[true, "✕ first"], [false, "✓ fine"], [true, "✕ second"]]) {
            add(500);
            pane.store.note({ ...seen, alarm, text });
          }
          add(500);
        }"""
    )
    for text in ("✕ first", "✕ second", "✕ first"):
        pane.evaluate("() => pane.nextAlarm()")
        assert text in [row["text"] for row in rows(pane)]


def test_hostile_lines_are_inert(pane: Page) -> None:
    lines = [
        "<script>window.owned = 1</script>",
        "<img src=x onerror='window.owned = 1'>",
        "\x1b]0;t\x07<b>x</b>",
        "\x1b[31m<i>",
    ]
    for line in lines:
        pane.evaluate("(line) => add(1, () => line)", line)
    assert [row["text"] for row in rows(pane)] == [*lines[:2], "<b>x</b>", "<i>"]
    assert pane.evaluate("() => window.owned ?? null") is None
    expect(pane.locator(".lp-text :not(span)")).to_have_count(0)


def test_clearing_begins_anew(pane: Page) -> None:
    pane.evaluate("() => { add(100); pane.clear(); }")
    assert rows(pane) == []
    pane.evaluate("() => add(3)")
    assert [row["line"] for row in rows(pane)] == ["1", "2", "3"]
