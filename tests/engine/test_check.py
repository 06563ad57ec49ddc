"""The loop of a `check` step, run by the shells that hosts have."""

from __future__ import annotations

import dataclasses
import subprocess

import pytest

from rollcast.engine.recipe import check_script
from tests.engine.reading import read
from tests.missing import need

CHECKS = [
    # command, on_deadline, exit code, last words
    ("true", "fail", 0, "check: passed at try 1"),
    ("exit 7", "fail", 1, "giving up"),
    ("exit 7", "go_on", 0, "going on as the recipe says"),
    (") ; echo out; (", "fail", 1, "giving up"),
    ('echo "it\'s \\"$((1 + 1))\\""', "fail", 0, "check: passed"),
    ("test -e mark || { : >mark; false; }", "fail", 0, "check: passed at try 2"),
]


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
@pytest.mark.parametrize(("command", "on_deadline", "code", "says"), CHECKS)
def test_a_check_repeats_its_command_until_it_passes_or_the_deadline(
    shell: str, command: str, on_deadline: str, code: int, says: str, tmp_path: object
) -> None:
    recipe = read(
        f"name: x\nsteps: [{{name: a, check: {{command: x, every: 0.1, on_deadline: {on_deadline}}}}}]\n"
    )
    deadline = 0.0 if code or "exit" in command else 60.0
    step = dataclasses.replace(recipe.steps[0], script=command, deadline_s=deadline)
    done = subprocess.run(
        [need(shell.split()[0]), *shell.split()[1:], "-c", check_script(step)],
        capture_output=True,
        text=True,
        cwd=str(tmp_path),
        timeout=30,
        check=False,
    )
    assert (done.returncode, says in done.stdout.splitlines()[-1]) == (code, True), done
