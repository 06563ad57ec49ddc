"""The kinds of events in a rollout's feed, as docs/protocol.md section 7 describes them."""

from __future__ import annotations

from typing import Final

LINE: Final = "line"
CONT: Final = "cont"
UPLOAD_PROGRESS: Final = "upload.progress"

ROLLOUT_STATE: Final = "rollout.state"
TARGET_STATE: Final = "target.state"
STEP_STATE: Final = "step.state"
TARGET_TAKEN_OVER: Final = "target.taken_over"

# What a person asked for; the audit record's verb is the same word.
ROLLOUT_STARTED: Final = "rollout.started"
ROLLOUT_PAUSED: Final = "rollout.paused"
ROLLOUT_RESUMED: Final = "rollout.resumed"
ROLLOUT_CANCELLED: Final = "rollout.cancelled"
ROLLOUT_RETRIED: Final = "rollout.retried"
ROLLOUT_ACCEPTED: Final = "rollout.accepted"

# The lane of events that belong to no single target.
ROLLOUT_LANE: Final = "rollout"
