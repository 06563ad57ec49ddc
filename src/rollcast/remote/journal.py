"""What a follower hears from the runner, as values. Pure: no I/O, no clock.

Promise: the `Output` items of a reader that began at offset N are, joined, the journal's bytes from N on,
each with the offset behind it, and `Ended` comes only when every byte it speaks of was given out.

Why that is true: stdout carries the journal and nothing else behind the preamble, in order; stderr carries
control records on lines of their own. Two pipes have no common order, so `Ended` waits here for the bytes it
counts; `Gone` waits for the end of the channel, because nothing counts the bytes before it.

What would break it: giving out a record that was cut in the middle of its line, or taking what a host's
`.bashrc` prints for the step's output. The command line prints the preamble on both pipes just before the
runner begins; everything up to it is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

STDOUT: Final = 1
STDERR: Final = 2

# No login script prints this line by chance.
PREAMBLE: Final = b"--rollcast-runner--\n"
# The command line's word that the runner is there; see runner.call.
READY: Final = "ready"
# A login script that prints more than this before our command is not one.
MAX_NOISE: Final = 256 * 1024
# Output that overtook the first control record waits for it, so that `Started` comes first; no more of it
# than this.
MAX_EARLY: Final = 256 * 1024
# A control record is under 200 bytes; a longer line is some program's complaint.
MAX_RECORD: Final = 4096


@dataclass(frozen=True)
class Output:
    """Bytes of the journal. `offset` is where they end."""

    data: bytes
    offset: int


@dataclass(frozen=True)
class Started:
    """The supervisor of the step is `pid`, born `starttime` clock ticks after the boot `boot_id`."""

    pid: int
    starttime: int
    boot_id: str


@dataclass(frozen=True)
class LimitReached:
    """The runner ended the step: its journal had grown to `bytes`, or the disk was nearly full."""

    bytes: int


@dataclass(frozen=True)
class TimedOut:
    """The runner ended the step because it had run for `seconds`."""

    seconds: int


@dataclass(frozen=True)
class Ended:
    """The step ended with `code`; the journal's first `bytes` bytes have the digest `sha256` (hex)."""

    code: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Missing:
    """There is no such folder, or its journal was removed. `boot_id` is the host's present one."""

    boot_id: str


@dataclass(frozen=True)
class Refused:
    """A start was not carried out: it arrived cut (`short`), was sealed, or came before (`taken`).

    `short` and `sealed` mean that nothing ran; `sealed`, which an attach may hear too, that nothing ever
    will.
    """

    why: Literal["short", "sealed", "taken"]


@dataclass(frozen=True)
class Gone:
    """Nobody will write to this journal any more and no end was recorded. All its bytes were given out.

    `gone`: its processes are; `interrupted`: the host was booted since; `unstarted`: it never began and
    never will; `attached_lost`: it had no journal, and its channel went.
    """

    state: Literal["gone", "interrupted", "unstarted", "attached_lost"]


Item: TypeAlias = Output | Started | LimitReached | TimedOut | Ended | Missing | Refused | Gone
LastItem: TypeAlias = Ended | Missing | Refused | Gone


_WORDS: Final[dict[str, Item]] = {
    "short": Refused("short"),
    "sealed": Refused("sealed"),
    "taken": Refused("taken"),
    "gone": Gone("gone"),
    "interrupted": Gone("interrupted"),
    "unstarted": Gone("unstarted"),
}


class Preamble:
    """Skips what a login script printed: takes the bytes of one pipe, gives those behind the preamble."""

    def __init__(self) -> None:
        self._held = b""
        self.passed = False

    def strip(self, data: bytes) -> bytes:
        """The part of `data` that lies behind the preamble."""
        if self.passed:
            return data
        held = self._held + data
        _noise, found, rest = held.partition(PREAMBLE)
        if found:
            self.passed = True
            self._held = b""
            return rest
        self._held = held[-MAX_NOISE:]
        return b""

    @property
    def noise(self) -> str:
        """What was skipped so far, for a message when the preamble never comes."""
        return self._held.decode("utf-8", "backslashreplace").strip()


class ControlLines:
    """Whole lines of stderr behind the preamble."""

    def __init__(self) -> None:
        self._preamble = Preamble()
        self._partial = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that `data` completed."""
        *lines, partial = (self._partial + self._preamble.strip(data)).split(b"\n")
        self._partial = partial[-MAX_RECORD:]
        for line in lines:
            yield line.decode("utf-8", "backslashreplace")

    @property
    def passed(self) -> bool:
        """Whether the preamble has come."""
        return self._preamble.passed

    @property
    def unfinished(self) -> str:
        """What has come without its newline, for messages."""
        return self._preamble.noise + self._partial.decode("utf-8", "backslashreplace")


class JournalReader:
    """The two pipes of one `start` or `attach`, as items."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.final: LastItem | None = None  # the last item, once known
        self.finished = False  # and given out
        self.complaint = ""  # what the host's programs said that is no record, the end of it
        self.failed: str | None = None  # the runner's own word that it could not do it
        self._preamble = Preamble()
        self._control = ControlLines()
        self._early: bytearray | None = bytearray()  # None once a record was seen

    def feed(self, stream: int, data: bytes) -> Iterator[Item]:
        """Take bytes of `stream` (STDOUT or STDERR); yields the items they complete."""
        if stream == STDOUT:
            yield from self._output(self._preamble.strip(data))
        else:
            for line in self._control.feed(data):
                record = parse_record(line)
                if isinstance(record, (Ended, Missing, Refused, Gone)):
                    self.final = record
                elif record is not None:
                    yield record
                    yield from self._release()
                elif line.startswith("failed "):
                    self.failed = line.removeprefix("failed ")
                elif line != READY:
                    self.complaint = f"{self.complaint} {line}".strip()[-500:]
        yield from self._close(ended=False)

    def conclude(self, last: LastItem) -> Iterator[Item]:
        """Take the last item from elsewhere than the control lines; yields it if it is covered."""
        self.final = last
        yield from self._close(ended=False)

    def end(self) -> Iterator[Item]:
        """Both pipes ended; yields the final item if it is known and covered."""
        yield from self._release()
        yield from self._close(ended=True)

    def _output(self, data: bytes) -> Iterator[Item]:
        if self._early is not None:
            self._early += data
            if len(self._early) > MAX_EARLY:
                yield from self._release()
        elif data:
            self.offset += len(data)
            yield Output(data, self.offset)

    def _release(self) -> Iterator[Item]:
        early, self._early = self._early, None
        if early:
            yield from self._output(bytes(early))

    def _close(self, *, ended: bool) -> Iterator[Item]:
        final = self.final
        if final is None or self.finished:
            return
        yield from self._release()
        if isinstance(final, Ended) and self.offset < final.bytes:
            return
        if isinstance(final, Gone) and not ended:
            return
        self.finished = True
        yield final


def parse_record(line: str) -> Item | None:
    """The control record in `line`, or None for anything else that a host's programs say on stderr."""
    match line.split(" "):
        case ["started", pid, start, boot_id] if pid.isdecimal() and start.isdecimal():
            return Started(int(pid), int(start), boot_id)
        case ["limit", count] if count.isdecimal():
            return LimitReached(int(count))
        case ["timeout", seconds] if seconds.isdecimal():
            return TimedOut(int(seconds))
        case ["exit", code, count, digest] if code.isdecimal() and count.isdecimal():
            return Ended(int(code), int(count), digest)
        case ["missing", boot_id]:
            return Missing(boot_id)
        case [word]:
            return _WORDS.get(word)
    return None
