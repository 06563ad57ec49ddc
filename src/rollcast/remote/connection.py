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
from rollcast.remote.attached import AttachedStep, attached_call, new_end_mark, start_command
from rollcast.remote.attachment import PipeAttachment
from rollcast.remote.connector import Connection, ConnectOptions, HostSpec, Look, StopAnswer
from rollcast.remote.errors import ContactLost, ForcedCommand, NothingWritable, RunnerError
from rollcast.remote.journal import MAX_NOISE, READY, STDERR, ControlLines, Preamble
from rollcast.remote.pipe import Pipe
from rollcast.remote.upload import send_file

# A host hashes at least this many bytes a second, however slow it is.
DIGEST_BYTES_PER_S: Final = 10 * 1024 * 1024

# Seconds in which a command that is not ours ends once its stdin has.
FORCED_END_S: Final = 3.0
# As much of what it said is told.
SAID_BYTES: Final = 300


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
        directory: str,
        local_path: Path | str,
        remote_path: str,
        sha256: str,
        mode: int,
        progress: Callable[[int, int], None],
    ) -> None:
        await send_file(self, Path(local_path), remote_path, sha256, mode, runner.token(directory), progress)

    @override
    async def abandon(self, directory: str, remote_path: str) -> None:
        answer = await self._ask("abandon", remote_path, runner.token(directory))
        if answer != ["abandoned"]:
            raise RunnerError(f"{self.spec.name}: the runner answered {' '.join(answer)!r} to abandon")

    # Calls of the runner

    async def call(self, verb: str, *arguments: str | int) -> tuple[Pipe, list[tuple[int, bytes]]]:
        """Begin a call of the runner, which is there by then; and what was read of it so far."""
        command = runner.call(self.spec.shell, verb, *arguments)
        pipe, read, word = await self._opened(command, verb)
        if word == runner.ABSENT:
            await pipe.close()
            async with self._answer_in_time(verb):
                await self._deploy()
            pipe, read, word = await self._opened(command, verb)
        return await self._ready(pipe, read, word)

    async def _ready(
        self, pipe: Pipe, read: list[tuple[int, bytes]], word: str
    ) -> tuple[Pipe, list[tuple[int, bytes]]]:
        if word == READY:
            return pipe, read
        await pipe.close()
        raise RunnerError(f"{self.spec.name}: the host could not run our command: {word}")

    async def _opened(self, command: str, verb: str) -> tuple[Pipe, list[tuple[int, bytes]], str]:
        """A pipe to `command`, what was read of it, and its first word behind the preamble."""
        pipe = await self.open_pipe(command)
        read: list[tuple[int, bytes]] = []
        try:
            try:
                async with asyncio.timeout(self._options.answer_timeout_s):
                    word = await _first_word(pipe, read)
            except TimeoutError:
                # A forced command that waits for its stdin (an SFTP server does) ends with it.
                pipe.send_eof()
                if not await _ends_wordless(pipe, read):
                    raise self._no_answer(verb, self._options.answer_timeout_s) from None
                word = None
        except BaseException:
            await pipe.close()
            raise
        if word is None:
            await pipe.close()
            raise _forced_command(self.spec.name, b"".join(data for _stream, data in read))
        return pipe, read, word

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
        said = " ".join(lines)
        if said.startswith(runner.UNWRITABLE):
            raise NothingWritable(f"{self.spec.name}: {said.removeprefix(runner.UNWRITABLE).strip()}")
        if "deployed" not in lines:
            raise RunnerError(f"{self.spec.name}: the runner cannot be put in ~/.rollcast: {said}")

    @override
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
    ) -> AttachedStep:
        sent, _env_bytes = runner.start_input(env, script, self.spec.encoding)
        end_mark = new_end_mark()
        command = start_command(self.spec.shell, directory, sent, script, end_mark, buffering)
        pipe, read = await self._ready(*await self._opened(command, "start"))
        if not permitted():
            await pipe.close()
            raise ContactLost(f"{self.spec.name}: the step was not sent: we had been away for too long")
        await self._send(pipe, "start", sent)
        step = AttachedStep(pipe, self.spec.name, end_mark, timeout_s=timeout_s, max_output=max_output)
        for stream, data in read:
            step.take(stream, data)
        return step

    @override
    async def stop_attached(self, directory: str, grace_s: float) -> StopAnswer:
        grace = max(0, round(grace_s))
        command = attached_call(self.spec.shell, "stop", directory, grace)
        pipe, read = await self._ready(*await self._opened(command, "stop"))
        return runner.parse_stop(" ".join(await self._answers(pipe, read, "stop", grace_s)))

    async def _follower(self, offset: int, sent: bytes, verb: str, *arguments: str | int) -> PipeAttachment:
        pipe, read = await self.call(verb, *arguments)
        await self._send(pipe, verb, sent)
        attachment = PipeAttachment(pipe, offset, self.spec.name)
        for stream, data in read:
            attachment.take(stream, data)
        return attachment

    async def _send(self, pipe: Pipe, verb: str, sent: bytes) -> None:
        try:
            async with self._answer_in_time(verb):
                await pipe.send(sent)
        except BaseException:
            await pipe.close()
            raise

    async def _ask(self, verb: str, *arguments: str | int, extra_s: float = 0.0) -> list[str]:
        """The lines that the runner answers; raises RunnerError when it says that it could not."""
        return await self._answers(*await self.call(verb, *arguments), verb, extra_s)

    async def _answers(
        self, pipe: Pipe, read: list[tuple[int, bytes]], verb: str, extra_s: float
    ) -> list[str]:
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
            raise self._no_answer(verb, limit) from None

    def _no_answer(self, verb: str, limit_s: float) -> ContactLost:
        return ContactLost(f"{self.spec.name}: no answer to {verb} within {limit_s:g} s")


async def _first_word(pipe: Pipe, read: list[tuple[int, bytes]]) -> str | None:
    """The first control line behind the preamble, or what came of it; None where no preamble comes.

    None as soon as more was said without one than a log-in script says: a command that is not ours may go on
    for ever.
    """
    lines, output, noise = ControlLines(), Preamble(), 0
    for stream, data in read:
        if stream == STDERR:
            for line in lines.feed(data):
                return line
    while (got := await pipe.inbox.get()) is not None:
        read.append(got)
        stream, data = got
        if stream == STDERR:
            for line in lines.feed(data):
                return line
        else:
            output.strip(data)
        if not (lines.passed or output.passed):
            noise += len(data)
            if noise > MAX_NOISE:
                return None
    return lines.unfinished if lines.passed else None


async def _ends_wordless(pipe: Pipe, read: list[tuple[int, bytes]]) -> bool:
    """Whether a command whose stdin has ended ends soon, and without our preamble."""
    try:
        async with asyncio.timeout(FORCED_END_S):
            return await _first_word(pipe, read) is None
    except TimeoutError:
        return False


def _forced_command(host: str, said: bytes) -> ForcedCommand:
    words = " ".join(said[-SAID_BYTES:].decode("utf-8", "backslashreplace").split())
    return ForcedCommand(
        f"{host} does not run our commands; what it ran instead said: {words or 'nothing'}. Is there a "
        "forced command for this key, or no real login shell? Let it pass $SSH_ORIGINAL_COMMAND to a shell"
    )


async def _lines_to_the_end(
    pipe: Pipe, lines: ControlLines, read: Sequence[tuple[int, bytes]] = ()
) -> list[str]:
    """Whole lines of stderr until the command ends."""
    answers = [line for stream, data in read if stream == STDERR for line in lines.feed(data)]
    while (got := await pipe.inbox.get()) is not None:
        if got[0] == STDERR:
            answers.extend(lines.feed(got[1]))
    return answers
