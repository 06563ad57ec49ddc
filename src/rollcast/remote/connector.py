"""The contract between whoever conducts steps and the ways to reach a host.

A `Connection` is one host, for all its steps. A step lives in a folder on the host, named by
`step_directory`; all calls about it name that folder. `start` is called once for a folder, everything else
as often as one likes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from rollcast.remote.journal import (
    Ended,
    Gone,
    Item,
    LimitReached,
    Missing,
    Output,
    Refused,
    Started,
    TimedOut,
)

__all__ = [
    "SEALED",
    "Attachment",
    "ConnectOptions",
    "Connection",
    "Connector",
    "Ended",
    "Gone",
    "HostSpec",
    "Item",
    "LimitReached",
    "Look",
    "Missing",
    "Output",
    "Refused",
    "Started",
    "StopAnswer",
    "TimedOut",
    "step_directory",
]

LookState = Literal["missing", "sealed", "unstarted", "alive", "ended", "gone", "interrupted"]
Evidence = Literal["stopped", "already_ended", "unconfirmed"]


# The detail of a StopAnswer that found nothing begun.
SEALED: Final = "sealed"


@dataclass(frozen=True)
class HostSpec:
    """All that is needed to reach a host and to talk with it."""

    name: str
    address: str
    port: int
    username: str
    key_file: str | None
    host_keys: tuple[str, ...]  # pinned, as "ssh-ed25519 AAAA…"
    connector: Literal["ssh", "local"] = "ssh"
    encoding: str = "utf-8"  # of the host's output and of the values in a step's environment
    home: str | None = None  # local connector only: the HOME it uses
    shell: str = "sh"  # the command that interprets the runner: shell text, such as "busybox sh"


@dataclass(frozen=True)
class ConnectOptions:
    """Limits in seconds, and the cap on handshakes at a time in this process. The defaults suit a WAN."""

    connect_timeout_s: float = 10.0
    login_timeout_s: float = 15.0
    keepalive_s: float = 5.0
    keepalive_count: int = 3
    handshakes: int = 50
    # A question to the runner is answered in milliseconds; a host that swaps may take longer.
    answer_timeout_s: float = 30.0


@dataclass(frozen=True)
class Look:
    """What the host says about a step: figures only when it is `ended`, `now_bytes` also when `alive`."""

    state: LookState
    code: int | None = None
    bytes: int | None = None  # the journal's length at the end of the step
    sha256: str | None = None  # of those bytes
    now_bytes: int | None = None  # its length now; what lies behind `bytes` came after the end


@dataclass(frozen=True)
class StopAnswer:
    """How sure it is that nothing of the step runs any more.

    `stopped`: its session was seen empty, or it never began (detail "sealed"). `already_ended`: it had
    ended by itself (detail: its exit record). `unconfirmed`: the processes in `detail` outlived KILL (a "!"
    stands behind those that run as another user: we may not signal them), or (no detail) nobody knows which
    are its processes.
    """

    evidence: Evidence
    detail: str = ""


class Attachment(Protocol):
    """An async iterator of a step's items. Last: Ended, Missing, Refused, Gone; or ContactLost is raised."""

    def __aiter__(self) -> AsyncIterator[Item]: ...

    async def __anext__(self) -> Item: ...

    def pause(self) -> None:
        """Stop reading from the host, after at most a window of bytes; the step itself is not slowed."""

    def resume(self) -> None:
        """Read on."""

    async def aclose(self) -> None:
        """Leave. The step goes on; the follower on the host ends."""


class Connection(Protocol):
    """One host that was reached. Every call raises ContactLost when the connection goes meanwhile."""

    @property
    def closed(self) -> bool: ...

    async def start(
        self,
        directory: str,
        env: Mapping[str, str],
        script: bytes,
        *,
        timeout_s: float,
        max_output: int,
        buffering: str = "line",
    ) -> Attachment:
        """Ask the host to run `script`, detached, and follow it. Never call it twice for one folder.

        Raises NothingWritable when the host has no place for it: nothing ran.
        """

    async def attach(self, directory: str, offset: int) -> Attachment:
        """Follow a step from a byte of its journal. Never starts anything."""

    async def seal(self, directory: str) -> Literal["sealed", "taken"]:
        """Forbid a start that may still come. `taken`: it came before."""

    async def look(self, directory: str) -> Look:
        """Ask what became of a step. `unstarted` is final: a start that hung is void from then on."""

    async def stop(self, directory: str, grace_s: float) -> StopAnswer:
        """Seal, TERM to all of the step's session, `grace_s` seconds, KILL, look."""

    async def start_attached(
        self,
        directory: str,
        env: Mapping[str, str],
        script: bytes,
        *,
        timeout_s: float,
        max_output: int,
        buffering: str = "line",
        permitted: Callable[[], bool] = lambda: True,
    ) -> Attachment:
        """Run `script` for as long as the attachment lives, where `start` raised NothingWritable.

        `directory` names it and is not made. Closing the attachment ends the step; when its channel goes, so
        does the step, and nothing tells how far it came. RunnerError if its interpreter is no shell.

        Nothing on such a host can be sealed, so `permitted` is asked once more just before the script is
        sent: ContactLost, and nothing was sent, when it says no.
        """

    async def stop_attached(self, directory: str, grace_s: float) -> StopAnswer:
        """TERM to the session of such a step, `grace_s` seconds, KILL, look.

        It is searched for by its name; `already_ended`: its shell does not live (any more).
        """

    async def digest(self, directory: str, stretches: Sequence[tuple[int, int]]) -> list[str]:
        """SHA-256 (hex) of the journal's bytes [from, to) for each stretch; [] when there is no journal."""

    async def clean(self, directory: str) -> None:
        """Remove the journal of a step that is not running; the folder stays as a tombstone."""

    async def upload(
        self,
        directory: str,
        local_path: Path | str,
        remote_path: str,
        sha256: str,
        mode: int,
        progress: Callable[[int, int], None],
    ) -> None:
        """Put a file on the host, whole or not at all; repeating it is harmless.

        `directory` names the attempt, for `abandon`, and is not made.
        `remote_path` is absolute or relative to the home folder. `progress(bytes, total)` is called as
        bytes leave. Raises UploadRefused when the file or what arrived has another digest, or the host
        cannot store it.
        """

    async def abandon(self, directory: str, remote_path: str) -> None:
        """Throw away what this attempt has sent of a file so far: nothing of it is put in its place any more.

        Raises RunnerError when the host cannot do that, NothingWritable when none was ever under way there.
        """

    async def close(self) -> None: ...


class Connector(Protocol):
    """A way to reach hosts."""

    async def connect(self, spec: HostSpec) -> Connection:
        """Raises Unreachable, AuthFailed, HostKeyUnknown or HostKeyChanged."""


def step_directory(epoch: str, rollout: int, target: int, step: int, attempt: int) -> str:
    """The folder of one step run on its host, relative to the home folder.

    The installation's epoch comes first: a new or restored database counts its rollouts from 1 again and must
    never take an old folder's success for its own.
    """
    return f".rollcast/{epoch}/r{rollout}/t{target}/s{step}/a{attempt}"
