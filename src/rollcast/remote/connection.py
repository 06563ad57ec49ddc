"""All that can be done on a host, over any way to run a command there.

A connector brings `open_pipe`; everything else is the same for all of them, so that a test over the local
connector says something about the others. The runner is put on a host when a command line finds it missing:
no question is spent on it otherwise.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

from typing_extensions import override

from rollcast.remote import runner
from rollcast.remote.attachment import PipeAttachment
from rollcast.remote.connector import Connection, ConnectOptions, HostSpec, Look, StopAnswer
from rollcast.remote.errors import ContactLost, RunnerError
from rollcast.remote.journal import READY, STDERR, ControlLines
from rollcast.remote.pipe import Pipe
from rollcast.remote.upload import send_file

# A host hashes at least this many bytes a second, however slow it is.
DIGEST_BYTES_PER_S: Final = 10 * 1024 * 1024


class RunnerConnection(Connection, ABC):
    """A connection whose host carries out steps with `runner.sh`."""

    def __init__(self, spec: HostSpec, options: ConnectOptions) -> None:
        self.spec: Final = spec
        self._options = options
        self._deploying = asyncio.Lock()

    @abstractmethod
    async def open_pipe(self, command: str) -> Pipe:
        """Run `command` by the host's login shell; raises ContactLost or RunnerError."""

    @override
    async def start(
        self,
        directory: str,
        env: Mapping[str, str],
        script: bytes,
        *,
        timeout_s: float,
        max_output: int,
        buffering: str = "line",
    ) -> PipeAttachment:
        sent, env_bytes = runner.start_input(env, script, self.spec.encoding)
        arguments = runner.start_arguments(
            directory, sent, env_bytes, max_output=max_output, timeout_s=timeout_s, buffering=buffering
        )
        return await self._follower(0, sent, "start", *arguments)

    @override
    async def attach(self, directory: str, offset: int) -> PipeAttachment:
        return await self._follower(offset, b"", "attach", directory, offset)

    @override
    async def seal(self, directory: str) -> Literal["sealed", "taken"]:
        match await self._ask("seal", directory):
            case ["sealed"]:
                return "sealed"
            case ["taken"]:
                return "taken"
            case other:
                raise RunnerError(f"{self.spec.name}: the runner answered {other!r} to seal")

    @override
    async def look(self, directory: str) -> Look:
        return runner.parse_look(" ".join(await self._ask("look", directory)))

    @override
    async def stop(self, directory: str, grace_s: float) -> StopAnswer:
        grace = max(0, round(grace_s))
        return runner.parse_stop(" ".join(await self._ask("stop", directory, grace, extra_s=grace_s)))

    @override
    async def digest(self, directory: str, stretches: Sequence[tuple[int, int]]) -> list[str]:
        if not stretches:
            return []
        numbers = [number for stretch in stretches for number in stretch]
        extra_s = sum(end - begin for begin, end in stretches) / DIGEST_BYTES_PER_S
        return runner.parse_digests(
            await self._ask("digest", directory, *numbers, extra_s=extra_s), len(stretches)
        )

    @override
    async def clean(self, directory: str) -> None:
        answer = await self._ask("clean", directory)
        if answer != ["cleaned"]:
            raise RunnerError(
                f"{self.spec.name}: the journal was not removed: the step is {' '.join(answer)}"
            )

    @override
    async def upload(
        self,
        local_path: Path | str,
        remote_path: str,
        sha256: str,
        mode: int,
        progress: Callable[[int, int], None],
    ) -> None:
        await send_file(self, Path(local_path), remote_path, sha256, mode, progress)

    # Calls of the runner

    async def call(self, verb: str, *arguments: str | int) -> tuple[Pipe, list[tuple[int, bytes]]]:
        """Begin a call of the runner, which is there by then; and what was read of it so far."""
        command = runner.call(self.spec.shell, verb, *arguments)
        async with self._answer_in_time(verb):
            pipe, read, word = await self._opened(command)
            if word == runner.ABSENT:
                await pipe.close()
                await self._deploy()
                pipe, read, word = await self._opened(command)
        if word == READY:
            return pipe, read
        await pipe.close()
        raise RunnerError(f"{self.spec.name}: the host ran no command of ours: {word or 'it said nothing'}")

    async def _opened(self, command: str) -> tuple[Pipe, list[tuple[int, bytes]], str]:
        """A pipe to `command`, what was read of it, and its first word behind the preamble."""
        pipe = await self.open_pipe(command)
        read: list[tuple[int, bytes]] = []
        lines = ControlLines()
        try:
            while (got := await pipe.inbox.get()) is not None:
                read.append(got)
                if got[0] == STDERR:
                    for line in lines.feed(got[1]):
                        return pipe, read, line
        except BaseException:
            await pipe.close()
            raise
        return pipe, read, lines.unfinished

    async def _deploy(self) -> None:
        """Put the runner on the host."""
        async with self._deploying:
            pipe = await self.open_pipe(runner.deployment(self.spec.shell))
            try:
                await pipe.send(runner.runner_file()[0])
                pipe.send_eof()
                lines = await _lines_to_the_end(pipe, ControlLines())
            finally:
                await pipe.close()
        if "deployed" not in lines:
            raise RunnerError(f"{self.spec.name}: the runner cannot be put in ~/.rollcast: {' '.join(lines)}")

    async def _follower(self, offset: int, sent: bytes, verb: str, *arguments: str | int) -> PipeAttachment:
        pipe, read = await self.call(verb, *arguments)
        try:
            async with self._answer_in_time(verb):
                await pipe.send(sent)
        except BaseException:
            await pipe.close()
            raise
        attachment = PipeAttachment(pipe, offset, self.spec.name)
        for stream, data in read:
            attachment.take(stream, data)
        return attachment

    async def _ask(self, verb: str, *arguments: str | int, extra_s: float = 0.0) -> list[str]:
        """The lines that the runner answers; raises RunnerError when it says that it could not."""
        pipe, read = await self.call(verb, *arguments)
        try:
            pipe.send_eof()
            async with self._answer_in_time(verb, extra_s):
                lines = await _lines_to_the_end(pipe, ControlLines(), read)
        finally:
            await pipe.close()
        answers = [line for line in lines if line != READY]
        for line in answers:
            if line.startswith("failed "):
                raise RunnerError(f"{self.spec.name}: {line.removeprefix('failed ')}")
        return answers

    @asynccontextmanager
    async def _answer_in_time(self, verb: str, extra_s: float = 0.0) -> AsyncIterator[None]:
        limit = self._options.answer_timeout_s + extra_s
        try:
            async with asyncio.timeout(limit):
                yield
        except TimeoutError:
            raise ContactLost(f"{self.spec.name}: no answer to {verb} within {limit:g} s") from None


async def _lines_to_the_end(
    pipe: Pipe, lines: ControlLines, read: Sequence[tuple[int, bytes]] = ()
) -> list[str]:
    """Whole lines of stderr until the command ends."""
    answers = [line for stream, data in read if stream == STDERR for line in lines.feed(data)]
    while (got := await pipe.inbox.get()) is not None:
        if got[0] == STDERR:
            answers.extend(lines.feed(got[1]))
    return answers
