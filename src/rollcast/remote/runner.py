"""The runner on the host, seen from here: its file, command lines that call it, and its answers. Pure.

Nothing that comes from a person is ever part of a command line unquoted; a step's environment travels as
quoted `export` lines in the bytes of a start, which the runner checks by count and digest before it does
anything.
"""

from __future__ import annotations

import hashlib
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Final

from rollcast.remote.connector import SEALED, Look, StopAnswer
from rollcast.remote.errors import RunnerError
from rollcast.remote.journal import PREAMBLE, READY

ABSENT: Final = "absent"  # said in place of READY when the runner must be put on the host first

# Begins the answer of a deployment that was denied any place; what could be mended there is told otherwise.
UNWRITABLE: Final = "unwritable"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PREAMBLE = PREAMBLE.decode().strip()


def shell_text(*names: str) -> str:
    """Files of shell text of this package, one behind the other."""
    folder = resources.files("rollcast.remote")
    return "\n".join(folder.joinpath(name).read_text("utf-8") for name in names)


@cache
def runner_file() -> tuple[bytes, str]:
    """The runner's text and its SHA-256 (hex): one file on the host, though two here."""
    text = shell_text("processes.sh", "runner.sh").encode()
    return text, hashlib.sha256(text).hexdigest()


def runner_path() -> str:
    """Where the runner lies on a host, relative to the home folder. Another text has another name."""
    return f".rollcast/runner-{runner_file()[1]}.sh"


def call(shell: str, verb: str, *arguments: str | int) -> str:
    """A command line that says READY or ABSENT on stderr and, if the runner is there, becomes it.

    The preamble on both pipes tells our bytes from those of a login script. `exec` twice leaves one process.
    """
    words = " ".join(shlex.quote(str(word)) for word in (verb, *arguments))
    text = (
        f"echo {_PREAMBLE}; echo {_PREAMBLE} >&2; cd || exit; "
        f"[ -f {runner_path()} ] || {{ echo {ABSENT} >&2; exit 0; }}; "
        f"echo {READY} >&2; exec {shell} {runner_path()} {words}"
    )
    return f"exec {shell} -c {shlex.quote(text)}"


def deployment(shell: str) -> str:
    """A command line that reads the runner from stdin and puts it in its place, whole or not at all."""
    text, digest = runner_file()
    new = ".rollcast/new.$$"
    script = (
        f"echo {_PREAMBLE}; echo {_PREAMBLE} >&2; cd || exit; umask 077; export LC_ALL=C; "
        f"said=$(mkdir -p .rollcast 2>&1 && touch {new} 2>&1) || {{ case $said in "
        f'*"File exists"* | *"ot a directory"* | *"o space left"* | *quota*) echo "$said" >&2 ;; '
        f'*) echo "{UNWRITABLE} $said" >&2 ;; esac; exit 0; }}; '
        f'head -c {len(text)} > {new} && sum=$(sha256sum < {new}) && [ "${{sum%% *}}" = {digest} ] && '
        f"mv {new} {runner_path()} && echo deployed >&2; rm -f {new}"
    )
    return f"exec {shell} -c {shlex.quote(script)}"


def start_input(env: Mapping[str, str], script: bytes, encoding: str) -> tuple[bytes, int]:
    """What a start sends: `export` lines and the script; and how many of the bytes are the former."""
    lines = []
    for name, value in env.items():
        if not _NAME.fullmatch(name):
            raise RunnerError(f"{name!r} cannot be the name of an environment variable")
        if "\0" in value:
            raise RunnerError(f"the value of {name} holds a NUL, which no environment variable can")
        lines.append(f"export {name}={shlex.quote(value)}\n")
    try:
        head = "".join(lines).encode(encoding)
    except UnicodeEncodeError as error:
        raise RunnerError(
            f"a parameter cannot be written in the host's encoding {encoding}: {error}"
        ) from error
    return head + script, len(head)


def start_arguments(
    directory: str, sent: bytes, env_bytes: int, *, max_output: int, timeout_s: float, buffering: str
) -> tuple[str | int, ...]:
    """The arguments of `start` for what `start_input` gave. The runner counts whole seconds."""
    digest = hashlib.sha256(sent).hexdigest()
    return (directory, 0, env_bytes, len(sent), digest, max_output, math.ceil(timeout_s), buffering)


def token(directory: str) -> str:
    """What stands for an attempt in the name of a file that is not whole yet: a short word."""
    return hashlib.sha256(directory.encode()).hexdigest()[:12]


def parse_look(answer: str) -> Look:
    """The answer to `look`; raises RunnerError for anything else."""
    match answer.split(" "):
        case ["missing", _boot_id]:
            return Look("missing")
        case ["ended", code, count, digest, now]:
            return Look("ended", int(code), int(count), digest, int(now))
        case ["sealed"]:
            return Look("sealed")
        case ["unstarted"]:
            return Look("unstarted")
        case ["alive", now]:
            return Look("alive", now_bytes=int(now) if now else None)
        case ["gone"]:
            return Look("gone")
        case ["interrupted"]:
            return Look("interrupted")
    raise RunnerError(f"the runner answered {answer!r} to look")


def parse_stop(answer: str) -> StopAnswer:
    """The answer to `stop`; raises RunnerError for anything else."""
    word, _space, rest = answer.partition(" ")
    match word:
        case "stopped":
            return StopAnswer("stopped")
        case "sealed":
            return StopAnswer("stopped", SEALED)
        case "ended":
            return StopAnswer("already_ended", rest)
        case "unconfirmed":
            return StopAnswer("unconfirmed", rest)
    raise RunnerError(f"the runner answered {answer!r} to stop")


def parse_digests(answers: Sequence[str], wanted: int) -> list[str]:
    """The answers to `digest`: [] when the journal is missing; raises RunnerError when some are."""
    if len(answers) == 1 and answers[0].startswith("missing "):
        return []
    digests = [line.removeprefix("digest ") for line in answers if line.startswith("digest ")]
    if len(digests) != wanted:
        raise RunnerError(f"the runner answered {answers!r} to digest")
    return digests
