"""The line store says exactly what the events said: order, joins and bytes, at every edge."""

from __future__ import annotations

import hashlib
import json
import random
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

FILL = """async (events) => {
  const { LineStore } = await import("/static/console/js/rollout/linestore.js");
  const store = new LineStore();
  const view = store.view("t1");
  const all = store.view(null);
  for (const e of events) e.hole ? store.hole(e) : e.note ? store.note(e) : store.add(e);
  const ids = (v) => Array.from({ length: v.length }, (_, i) => v.at(i));
  const rows = (v) => ids(v).map((id) => ({ ...store.row(id), text: store.text(id) }));
  return { rows: rows(all), one: rows(view), applied: await store.applied(), lines: store.lineCount,
           texts: Object.fromEntries(store.origins.map((o) => [o, store.texts(o)])) };
}"""
OPEN = 8


def event(seq: int, data: Any, kind: str = "line", target: int = 1, attempt: int = 1) -> dict[str, Any]:
    lane = f"t{target}"
    return {
        "kind": kind,
        "lane": lane,
        "origin": f"{lane}/s0/a{attempt}",
        "at": 1000 + seq,
        "seq": seq,
        "data": data,
    }


def test_pieces_are_joined_where_they_began_even_when_hosts_take_turns(page: Page) -> None:
    got = page.evaluate(
        FILL,
        [
            event(1, "one ", "cont"),
            event(2, "other host", target=2),
            event(3, "two ", "cont"),
            event(4, "next attempt", attempt=2),
            event(5, "three"),
            event(6, "after"),
            event(7, "open", "cont"),
        ],
    )
    assert [row["text"] for row in got["rows"]] == [
        "one two three",
        "other host",
        "next attempt",
        "after",
        "open",
    ]
    assert [row["seq"] for row in got["rows"]] == [1, 2, 4, 6, 7]
    assert [row["nth"] for row in got["rows"]] == [1, 1, 1, 2, 3]
    assert [row["text"] for row in got["one"]] == ["one two three", "next attempt", "after", "open"]
    assert [bool(row["flags"] & OPEN) for row in got["rows"]] == [False] * 4 + [True]
    assert got["lines"] == 4
    assert got["texts"]["t1/s0/a1"] == {"lines": ["one two three", "after"], "tail": "open"}


def test_an_empty_line_is_a_line_even_as_the_first(page: Page) -> None:
    got = page.evaluate(FILL, [event(1, ""), event(2, "", "cont"), event(3, "")])
    assert got["texts"]["t1/s0/a1"] == {"lines": ["", ""], "tail": ""}


def test_flags_come_from_the_wire_and_from_any_piece(page: Page) -> None:
    got = page.evaluate(
        FILL,
        [
            event(1, {"text": "a\\xff", "flags": ["bytes"]}, "cont"),
            event(2, {"text": "b", "flags": ["nul", "of a later version"]}),
            event(3, {"text": "plain"}),
            event(4, {"text": "***", "flags": ["masked"]}),
        ],
    )
    assert [(row["text"], row["flags"]) for row in got["rows"]] == [("a\\xffb", 3), ("plain", 0), ("***", 4)]


def test_notes_stand_among_the_lines_and_do_not_count(page: Page) -> None:
    note = {
        "note": True,
        "lane": "t1",
        "origin": "t1/s0/a1",
        "at": 1,
        "seq": 2,
        "text": "failed",
        "alarm": True,
    }
    got = page.evaluate(FILL, [event(1, "be", "cont"), note, event(3, "fore")])
    assert [row["text"] for row in got["rows"]] == ["before", "failed"]
    assert got["applied"]["t1/s0/a1"]["count"] == 1
    assert got["lines"] == 1


@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_pieces_the_account_is_that_of_the_text(page: Page, seed: int) -> None:
    """Lines cut at random characters, of several origins at once; over the edges of 1 MiB chunks."""
    chance = random.Random(seed)
    alphabet = "aé中🎮\t \r\x1b[31m\u202e\ufeff\u0000"
    origins: dict[str, list[str]] = {}
    queues: list[list[dict[str, Any]]] = []
    for target in range(1, 5):
        lines = ["".join(chance.choices(alphabet, k=chance.choice([0, 1, 7, 60, 4000]))) for _ in range(150)]
        origins[f"t{target}/s0/a1"] = lines
        queue = []
        for line in lines:
            cuts = sorted(chance.randrange(len(line) + 1) for _ in range(chance.choice([0, 0, 1, 3])))
            edges = [0, *cuts, len(line)]
            pieces = [line[a:b] for a, b in pairwise(edges)]
            queue += [event(0, piece, "cont", target) for piece in pieces[:-1]] + [
                event(0, pieces[-1], "line", target)
            ]
        queues.append(queue)
    events = []
    while any(queues):
        events.append(chance.choice([queue for queue in queues if queue]).pop(0))
    events = [one | {"seq": seq} for seq, one in enumerate(events, 1)]
    got = page.evaluate(FILL, json.loads(json.dumps(events)))
    for origin, lines in origins.items():
        assert got["texts"][origin] == {"lines": lines, "tail": ""}
        journal = "".join(f"{line}\n" for line in lines).encode()
        assert got["applied"][origin] == {
            "count": len(lines),
            "tail": "",
            "sha256": hashlib.sha256(journal).hexdigest(),
        }


def test_characters_survive_every_offset_of_the_chunk_edge(page: Page) -> None:
    """A character of four bytes straddles the edge between two chunks, at each of its bytes."""
    same = page.evaluate(
        """async (mib) => {
          const { LineStore } = await import("/static/console/js/rollout/linestore.js");
          const texts = [];
          for (let before = mib - 6; before <= mib + 1; before += 1) {
            const store = new LineStore();
            const add = (seq, data) => store.add({ kind: "line", lane: "t", origin: "o", at: 0, seq, data });
            add(1, "x".repeat(before));
            add(2, "🎮中é!");
            add(3, "");
            texts.push([1, 2].map((id) => store.text(id)));
          }
          return texts;
        }""",
        1 << 20,
    )
    assert same == [["🎮中é!", ""]] * 8


def test_a_row_is_found_by_its_place_in_a_view(page: Page) -> None:
    places = page.evaluate(
        """async () => {
          const { LineStore } = await import("/static/console/js/rollout/linestore.js");
          const store = new LineStore();
          for (let seq = 0; seq < 3000; seq += 1) {
            const lane = `t${seq % 3}`;
            store.add({ kind: "line", lane, origin: lane, at: 0, seq, data: "" });
          }
          const view = store.view("t1");
          return [view.length, view.at(0), view.at(999), ...[1, 2, 2998, 2999].map(view.indexOf)];
        }"""
    )
    assert places == [1000, 1, 2998, 0, 1, 999, 1000]


def test_a_hole_stands_in_every_view_and_nothing_is_joined_across_it(page: Page) -> None:
    hole = {"hole": True, "at": 0, "seq": 4, "text": "missing"}
    got = page.evaluate(
        FILL,
        [
            hole | {"text": "before anything"},
            event(1, "half a ", "cont"),
            event(2, "host 2", target=2),
            hole,
            event(5, "line"),
            event(6, "after"),
            event(7, "host 3", target=3),
        ],
    )
    texts = ["before anything", "half a ", "host 2", "missing", "line", "after", "host 3"]
    assert [row["text"] for row in got["rows"]] == texts
    assert [row["text"] for row in got["one"]] == ["before anything", "half a ", "missing", "line", "after"]
    assert got["rows"][1]["flags"] & OPEN
    assert got["lines"] == 4
    assert set(got["texts"]) == {"t1/s0/a1", "t2/s0/a1", "t3/s0/a1"}
    assert got["texts"]["t1/s0/a1"] == {"lines": ["line", "after"], "tail": "half a "}
