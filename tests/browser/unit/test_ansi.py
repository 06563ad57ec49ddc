"""One line of terminal output → what is shown: text and classes, whatever the server printed."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PARSE = """async (lines) => {
  const { parseLine } = await import("/static/console/js/rollout/ansi.js");
  return lines.map((line) => parseLine(line).map((s) => [s.text, s.classes, s.color, s.background]));
}"""
PLAIN = """async (lines) => {
  const { plainText } = await import("/static/console/js/rollout/ansi.js");
  return lines.map(plainText);
}"""
E = "\x1b"


def plain(text: str) -> list[Any]:
    return [text, "", None, None]


# line → what is shown of it: (text, classes, colour, background) of each stretch
CASES: list[tuple[str, list[Any]]] = [
    ("", []),
    ("hello", [plain("hello")]),
    (f"{E}[31mred{E}[0m plain", [["red", "a-f1", None, None], plain(" plain")]),
    (f"{E}[mreset without number", [plain("reset without number")]),
    (f"{E}[1;4;97;44mx", [["x", "a-bold a-underline a-f15 a-b4", None, None]]),
    (f"{E}[1;2mx{E}[22my", [["x", "a-bold a-dim", None, None], plain("y")]),
    (f"{E}[38;5;9mx", [["x", "a-f9", None, None]]),
    (f"{E}[38;5;196mx", [["x", "", "rgb(255 0 0)", None]]),
    (f"{E}[48;5;244mx", [["x", "", None, "rgb(128 128 128)"]]),
    (f"{E}[38;2;1;22;255mx", [["x", "", "rgb(1 22 255)", None]]),
    (f"{E}[38;2;999;;mx", [["x", "", "rgb(255 0 0)", None]]),
    (f"{E}[38mx{E}[39my", [plain("x"), plain("y")]),
    (f"{E}[31;38;5mx", [["x", "a-f0", None, None]]),
    (f"a{E}[2K{E}[10;5Hb{E}[?25lc", [plain("a"), plain("b"), plain("c")]),
    (f"{E}]0;title\x07text", [plain("text")]),
    (f"{E}]8;;http://x/{E}\\link{E}]8;;{E}\\", [plain("link")]),
    (f"{E}Pq#0;2;0{E}\\sixel gone", [plain("sixel gone")]),
    (f"{E}]0;never ended, and nothing is hidden", [plain("0;never ended, and nothing is hidden")]),
    (f"{E}(Bcharset", [plain("charset")]),
    (f"cut at the end {E}", [plain("cut at the end ")]),
    (f"cut at the end {E}[", [plain("cut at the end ")]),
    (f"cut at the end {E}[38;5", [plain("cut at the end ")]),
    ("10%\r50%\r100%", [plain("100%")]),
    ("done\r", [plain("done")]),
    ("done\r\r", [plain("done")]),
    (f"done\r{E}[0m", [plain("done")]),
    (f"{E}[32m10%\r50%", [["50%", "a-f2", None, None]]),
    ("bell\x07 back\x08 nul\x00 del\x7f c1\x9b", [plain("bell back nul del c1")]),
    ("tab\tstays", [plain("tab\tstays")]),
    ("turned \u202egnp.exe\u2066", [plain("turned gnp.exe")]),
    ("<img src=x onerror=alert(1)>", [plain("<img src=x onerror=alert(1)>")]),
    ("中文 🎮 ﷺ", [plain("中文 🎮 ﷺ")]),
    (f"{E}[31m{E}[0m{E}[1m", []),
]


def test_each_line_is_shown_as_it_should_be(page: Page) -> None:
    lines = [line for line, _ in CASES]
    parsed = page.evaluate(PARSE, lines)
    plain_texts = page.evaluate(PLAIN, lines)
    for (line, shown), stretches, text in zip(CASES, parsed, plain_texts, strict=True):
        assert stretches == shown, line
        assert text == "".join(text for text, *_ in shown), line


def test_every_prefix_of_a_coloured_line_shows_no_more_than_its_visible_text(page: Page) -> None:
    """A `cont` piece may be cut anywhere, in the middle of an escape sequence too."""
    line = f"a{E}[1;31mred{E}[0m {E}[38;5;196mb{E}]0;t{E}\\c{E}[48;2;1;2;3md"
    prefixes = [line[:n] for n in range(len(line) + 1)]
    whole = "ared bcd"
    for prefix, shown in zip(prefixes, page.evaluate(PLAIN, prefixes), strict=True):
        introducer_only = shown.removesuffix("0;t").removesuffix("0;").removesuffix("0")
        assert whole.startswith((shown, introducer_only)), (prefix, shown)


def test_all_256_colours_are_a_class_or_a_colour(page: Page) -> None:
    for n, parsed in enumerate(page.evaluate(PARSE, [f"{E}[38;5;{n}mx" for n in range(256)])):
        [[text, classes, color, background]] = parsed
        assert (text, background) == ("x", None)
        assert (classes == f"a-f{n}") is (n < 16)
        assert (color is None) is (n < 16)
