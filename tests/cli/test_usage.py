"""What needs no installation: usage, help, recipe files, and what a terminal may be shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rollcast.cli import main
from rollcast.cli.said import print_table, shown
from rollcast.cli.watching import Screen

RECIPE = "name: x\nsteps:\n  - name: one\n    run: echo 1\n    tiemout: 5s\n"


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["launch"],
        ["up", "--port", "many"],
        ["rollout"],
        ["rollout", "pause"],
        ["rollout", "pause", "one"],
        ["hosts", "import"],
        ["recipe", "validate"],
        ["manage"],
        ["demo", "--sabotage", "lose"],
    ],
)
def test_bad_usage_ends_with_two(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "usage: rollcast" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [["demo", "--hosts", "0"], ["demo", "--speed", "0"], ["demo", "--json"], ["demo", "--sabotage", "drop"]],
)
def test_a_demo_that_makes_no_sense_is_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert capsys.readouterr().err.startswith("rollcast: ")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom rollcast.cli import main\n"
        "try: main(['rollout', 'start', '--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('django', 'asyncssh', 'yaml', 'uvicorn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--failure-budget" in done.stdout


def test_recipe_files_are_checked_with_file_line_and_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = tmp_path / "bad.yml", tmp_path / "good.yml"
    bad.write_text(RECIPE, "utf-8")
    good.write_text(RECIPE.replace("tiemout", "timeout"), "utf-8")
    assert main(["recipe", "validate", str(good), str(bad)]) == 2
    captured = capsys.readouterr()
    assert captured.out == f"{good}: right, x, 1 steps\n"
    assert "bad.yml, line 5, steps[0].tiemout: " in captured.err
    assert main(["recipe", "validate", str(good)]) == 0
    capsys.readouterr()
    assert main(["recipe", "validate", "--json", str(bad)]) == 2
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["recipe"], found["problems"][0]["line"]) == (None, 5)


def test_the_demos_recipe_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    import rollcast.demo

    folder = Path(rollcast.demo.__file__).parent / "recipes"
    assert main(["recipe", "validate", *map(str, folder.iterdir())]) == 0, capsys.readouterr().err


def test_a_host_cannot_steer_the_terminal() -> None:
    text = "10 %\r\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m\x1b[1;1H\x07\x1bc end"
    assert shown(text, colour=True) == "\x1b[31mred\x1b[0m end\x1b[0m"
    assert shown(text, colour=False) == "red end"
    assert shown("done\r", colour=False) == "done"


def test_pieces_of_a_line_become_one_line_and_states_are_named() -> None:
    screen = Screen({"t1": "eu-01"}, ["stop"], colour=False)
    said = [
        *screen.lines(["t1", "cont", "t1/s0/a1", 0, 1, ["one "]]),
        *screen.lines(["t1", "line", "t1/s0/a1", 0, 2, [{"text": "line", "flags": ["nul"]}, "two"]]),
        *screen.lines(["t1", "cont", "t1/s0/a1", 0, 4, ["unfinished"]]),
        *screen.lines(
            [
                "t1",
                "step.state",
                "t1/s0/a1",
                0,
                5,
                [{"step": 0, "state": "failed", "exit_code": 3, "reason": "exit", "detail": "h said no"}],
            ]
        ),
        *screen.lines(["t1", "line", "t1/s0/a2", 0, 6, ["next attempt"]]),
    ]
    assert said == [
        "eu-01 | one line",
        "eu-01 | two",
        "eu-01 · 1 stop failed (exit 3, exit, h said no)",
        "eu-01 | unfinished",
        "eu-01 | next attempt",
    ]


def test_columns_stand_under_each_other_with_wide_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "B"), [("更新", "x"), ("y", "z")])
    assert capsys.readouterr().out == "A     B\n更新  x\ny     z\n"
