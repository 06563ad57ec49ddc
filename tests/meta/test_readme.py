"""The Chinese README says what the English one says: the same parts, commands, tables and links."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENGLISH = (ROOT / "README.md").read_text("utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text("utf-8")

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[tuple[str, list[str]]]:
    """Each code block's language and lines, without what a comment says."""
    return [
        (language, [re.sub(r"\s+#.*", "", line) for line in code.splitlines()])
        for language, code in BLOCK.findall(text)
    ]


def shape(text: str) -> list[str]:
    """The text's outline in order: headings by level, table rows, list items, code blocks, pictures."""
    kinds = {"#": r"#+(?= )", "|": r"\|", "-": r"-(?= )", "`": r"```(?=\w)", "!": r"!(?=\[)"}
    return [
        match[0] if kind == "#" else kind
        for line in BLOCK.sub("```code", text).splitlines()
        for kind, pattern in kinds.items()
        if (match := re.match(pattern, line))
    ]


def links(text: str) -> list[str]:
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if not target.startswith("README")]


def test_commands_and_files_are_the_same() -> None:
    assert len(blocks(ENGLISH)) > 5
    assert blocks(CHINESE) == blocks(ENGLISH)


def test_headings_tables_and_lists_follow_each_other_in_the_same_order() -> None:
    assert shape(ENGLISH).count("##") == 4
    assert shape(CHINESE) == shape(ENGLISH)


def test_links_are_the_same_and_each_leads_to_the_other() -> None:
    assert links(CHINESE) == links(ENGLISH)
    assert "(README.zh-CN.md)" in ENGLISH
    assert "(README.md)" in CHINESE


def test_every_paragraph_is_chinese() -> None:
    prose = [part for part in BLOCK.sub("", CHINESE).split("\n\n") if part.strip()]
    plain = [part for part in prose if not re.search(r"[\u4e00-\u9fff]", part)]
    assert plain == ["# Rollcast", "[English](README.md)"]
