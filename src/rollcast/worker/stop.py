"""Cancel: end what runs on a host, and say how sure that is.

The order is the runner's: seal (a start that is still on its way runs nothing), TERM to the step's session,
grace, KILL, look. It goes over a second channel, so that the follower keeps reading what the step says while
it ends.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from rollcast.conf import option
from rollcast.engine.states import StepState, StopEvidence
from rollcast.remote.connector import SEALED, Connection
from rollcast.remote.errors import ForcedCommand, NothingWritable, RunnerError

FOLDER_GONE: Final = "the step's folder is gone from the host: nobody can tell which processes are its own"


async def stop_step(
    connection: Connection, directory: str, *, attached: bool, began: bool
) -> tuple[StopEvidence, str]:
    """Stop one step run; what was seen, and for `unconfirmed` why. ContactLost if contact was lost first.

    `began`: the host has said that it runs, so a folder that can be sealed is not the one in which it began.
    """
    stop = connection.stop_attached if attached else connection.stop
    try:
        answer = await stop(directory, option("CANCEL_GRACE_S"))
    except RunnerError as error:
        return StopEvidence.UNCONFIRMED, error.message
    evidence = StopEvidence(answer.evidence)
    if began and answer.detail == SEALED:
        return StopEvidence.UNCONFIRMED, FOLDER_GONE
    return evidence, why_unconfirmed(answer.detail) if evidence is StopEvidence.UNCONFIRMED else ""


async def abandon_upload(
    connection: Connection, directory: str, remote_path: str
) -> tuple[StopEvidence, str]:
    """Give up one attempt's upload; what was seen, as in `stop_step`."""
    try:
        with suppress(NothingWritable, ForcedCommand):  # then there never was a transfer
            await connection.abandon(directory, remote_path)
    except RunnerError as error:
        return StopEvidence.UNCONFIRMED, error.message
    return StopEvidence.STOPPED, ""


def why_unconfirmed(left: str) -> str:
    """The runner's list of living processes (`12 34!`, see `StopAnswer`) as a sentence."""
    pids = left.replace("!", "").split()
    if not pids:
        return "the host cannot tell which processes are the step's"
    refused = [word[:-1] for word in left.split() if word.endswith("!")]
    said = f"still alive after KILL: process {', '.join(pids)}"
    return f"{said}; we may not signal {', '.join(refused)}: another user's" if refused else said


def end_state(by_itself: StepState, evidence: StopEvidence) -> StepState:
    """What a step run that was to be cancelled became: one that had ended by itself keeps its own end."""
    if evidence is StopEvidence.ALREADY_ENDED and by_itself is not StepState.INTERRUPTED:
        return by_itself
    return StepState.CANCELLED
