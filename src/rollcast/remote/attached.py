"""Steps on a host where nothing can be written: attached to their channel, with no journal to come back to.

Promise: what arrives is the step's output, whole and in order up to its end, which is its exit status;
offsets, count and digest are those of the bytes received, because there is nothing to compare them with. A
step whose channel goes is cut off there: it gets TERM on the host, and what became of it is not known here.

Why true: both outputs of the step are one pipe, and behind its last byte `attached.sh` writes a mark that
holds a nonce of this start. What would break it: a mark that a step could print by chance, or taking the end
of the channel for the end of the step.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import secrets
import shlex
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import cache
from pathlib import PurePosixPath
from typing import Final

from typing_extensions import override

from rollcast.remote.attachment import PipeAttachment
from rollcast.remote.connector import Attachment
from rollcast.remote.errors import ContactLost, RunnerError
from rollcast.remote.journal import (
    PREAMBLE,
    STDOUT,
    Ended,
    Gone,
    Item,
    LimitReached,
    Preamble,
    TimedOut,
)
from rollcast.remote.pipe import Pipe
from rollcast.remote.runner import shell_text

# Reasons of a step run: it runs (or ran) attached; its channel went, and nobody knows how far it came.
ATTACHED: Final = "attached"
ATTACHED_LOST: Final = "attached_lost"

# Seconds between TERM and KILL for a step that is ended by its time, its output or the loss of its channel.
GRACE_S: Final = 5
# Interpreters that can be given a script by `eval`. Any other needs a file, and there is no place for one.
SHELLS: Final = frozenset({"sh", "dash", "ash", "bash", "ksh", "mksh", "zsh"})


@cache
def attached_text() -> str:
    """The shell text that carries out attached steps: processes.sh and attached.sh."""
    text = shell_text("processes.sh", "attached.sh")
    lines = [f"rc_preamble={PREAMBLE.decode().strip()}", *text.splitlines()]
    return "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#"))


def attached_call(shell: str, verb: str, *arguments: str | int) -> str:
    """A command line that carries out `verb` of attached.sh; nothing of it lies on the host."""
    words = " ".join(shlex.quote(str(word)) for word in (attached_text(), verb, *arguments))
    return f"exec {shell} -c 'eval \"$1\"' rollcast {words}"


def start_command(
    shell: str, directory: str, sent: bytes, script: bytes, end_mark: str, buffering: str
) -> str:
    """The command line that starts `sent` (environment and `script`); RunnerError if no shell can."""
    if b"\0" in sent:
        raise RunnerError(
            "nothing can be written on this host, and a script with a NUL in it would need a file"
        )
    digest = hashlib.sha256(sent).hexdigest()
    start = attached_call(shell, "start", directory, len(sent), digest, end_mark, GRACE_S, buffering)
    return f"{start} {_interpreter(script, shell)}"


def _interpreter(script: bytes, shell: str) -> str:
    """The shell text that calls the script's interpreter: what line 1 names, else the host's shell."""
    first = script.partition(b"\n")[0]
    if not first.startswith(b"#!"):
        return shell
    words = first[2:].decode("utf-8", "backslashreplace").split()
    named = words[1:] if words and PurePosixPath(words[0]).name == "env" else words
    named = named[1:] if named[:1] == ["-S"] else named
    if not named or PurePosixPath(named[0]).name not in SHELLS:
        raise RunnerError(
            f"nothing can be written on this host, so its steps run attached; "
            f"a script for {' '.join(words) or 'nobody'} would need a file"
        )
    return shlex.join(named)


def new_end_mark() -> str:
    """What no step prints by chance."""
    return f"--rollcast-end-{secrets.token_hex(16)}"


class EndMark:
    """Splits one stream at the mark: the bytes before it, and the exit status behind it."""

    def __init__(self, mark: str) -> None:
        self._mark = mark.encode() + b" "
        self._held = b""
        self._found = False

    def feed(self, data: bytes) -> tuple[bytes, int | None]:
        """What `data` adds to the output; and the exit status once it is known. Nothing comes after it."""
        self._held += data
        output = b""
        if not self._found:
            output, found, rest = self._held.partition(self._mark)
            self._found = bool(found)
            if not found:
                keep = self._begun(output)
                self._held = output[len(output) - keep :]
                return output[: len(output) - keep], None
            self._held = rest
        code, newline, _rest = self._held.partition(b"\n")
        return output, int(code) if newline else None

    def _begun(self, data: bytes) -> int:
        """How many bytes at the end of `data` may be the beginning of the mark."""
        longest = min(len(data), len(self._mark) - 1)
        return next((n for n in range(longest, 0, -1) if data.endswith(self._mark[:n])), 0)


class AttachedStep(PipeAttachment):
    """A step and its channel. Closing it ends the step; so do its timeout and its limit of output."""

    def __init__(self, pipe: Pipe, host: str, end_mark: str, *, timeout_s: float, max_output: int) -> None:
        super().__init__(pipe, 0, host)
        self._preamble = Preamble()
        self._end_mark = EndMark(end_mark)
        self._digest = hashlib.sha256()
        self._received = 0
        self._max_output = max_output
        self._timeout_s = timeout_s
        self._deadline: float | None = (
            asyncio.get_running_loop().time() + timeout_s if timeout_s > 0 else None
        )
        self._cut_short = False
        self._ready.extend(self._reader.feed(STDOUT, PREAMBLE))

    @override
    def take(self, stream: int, data: bytes) -> None:
        if stream != STDOUT:
            super().take(stream, data)
            return
        output, code = self._end_mark.feed(self._preamble.strip(data))
        self._digest.update(output)
        self._received += len(output)
        super().take(stream, output)
        if code is not None:
            last = Ended(code, self._received, self._digest.hexdigest())
            self._ready.extend(self._reader.conclude(last))
        elif self._received > self._max_output:
            self._end_by(LimitReached(self._received))

    @override
    async def _read(self) -> None:
        if self._cut_short:
            await super()._read()
            return
        try:
            async with asyncio.timeout_at(self._deadline):
                await super()._read()
        except TimeoutError:
            self._end_by(TimedOut(math.ceil(self._timeout_s)))

    def _end_by(self, rule: LimitReached | TimedOut) -> None:
        """Have the host end the step: it takes the end of its stdin for that."""
        if not self._cut_short:
            self._cut_short = True
            self._ready.append(rule)
            self._pipe.send_eof()


async def attached_items(attachment: Attachment) -> AsyncGenerator[Item, None]:
    """The items of an attached step; the last one is Gone("attached_lost") when its channel went first."""
    async with aclosing(attachment):
        try:
            async for item in attachment:
                yield item
        except ContactLost:
            yield Gone(ATTACHED_LOST)
