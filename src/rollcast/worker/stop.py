"""Cancel: end what runs on a host, and say how sure that is.

The order is the runner's: seal (a start that is still on its way runs nothing), TERM to the step's session,
grace, KILL, look. It goes over a second channel, so that the follower keeps reading what the step says while
it ends.
"""

from __future__ import annotations

from rollcast.conf import option
from rollcast.engine.states import StepState, StopEvidence
from rollcast.remote.connector import Connection


async def stop_step(connection: Connection, directory: str) -> StopEvidence:
    """Stop one step run and answer what was seen; ContactLost if contact was lost before that."""
    answer = await connection.stop(directory, option("CANCEL_GRACE_S"))
    return StopEvidence(answer.evidence)


def end_state(by_itself: StepState, evidence: StopEvidence) -> StepState:
    """What a step run that was to be cancelled became: one that had ended by itself keeps its own end."""
    if evidence is StopEvidence.ALREADY_ENDED and by_itself is not StepState.INTERRUPTED:
        return by_itself
    return StepState.CANCELLED
