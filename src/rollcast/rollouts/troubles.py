"""Why a host did not take part or does not let a cancel end, in words: what happened, where, and the cure.

A rollout meets them when it runs, long after its start was accepted; each door (page, API, CLI) says the same
about them as about bad input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rollcast.engine.problems import Problem, gettext_noop
from rollcast.engine.states import StopEvidence, TargetState

# A cancel that a host has not confirmed is no reason of a row; it has a trouble all the same.
UNCONFIRMED: Final = "unconfirmed"

# Reason of a failed target (or UNCONFIRMED) -> (what happened, the cure).
TROUBLES: Final[dict[str, tuple[str, str]]] = {
    "unreachable": (
        gettext_noop("%(host)s could not be reached at %(address)s."),
        gettext_noop("Check its address and port, and that an SSH server answers there; then retry."),
    ),
    "host_key_unknown": (
        gettext_noop("%(host)s showed a host key that nobody has trusted yet."),
        gettext_noop(
            "Compare its fingerprint on the host's page and trust it there or with "
            "`rollcast hosts trust %(host)s`; then retry."
        ),
    ),
    "host_key_changed": (
        gettext_noop("%(host)s showed another host key than the trusted one."),
        gettext_noop(
            "Find out why it changed. If it is right, trust it on the host's page or with "
            "`rollcast hosts trust %(host)s`; then retry."
        ),
    ),
    "auth_failed": (
        gettext_noop("%(host)s refused the user or the key."),
        gettext_noop("Check its user and key file, and authorized_keys on the host; then retry."),
    ),
    "host_removed": (
        gettext_noop("%(host)s is no longer in the fleet."),
        gettext_noop("Import it again, then retry."),
    ),
    UNCONFIRMED: (
        gettext_noop("%(host)s has not confirmed that its step has stopped."),
        gettext_noop("Cancel again to ask it now, or accept it with a reason."),
    ),
}


def trouble_of(target: Mapping[str, Any]) -> Problem | None:
    """The trouble of a target as `queries.rollout_page` has it; None if it has none of these."""
    code = UNCONFIRMED if is_unconfirmed(target) else target["reason"]
    if code not in TROUBLES or (code != UNCONFIRMED and target["state"] != TargetState.FAILED.value):
        return None
    template, cure = TROUBLES[code]
    params = {"host": target["name"], "address": target["address"]}
    return Problem(code, template, params, cure)


def is_unconfirmed(target: Mapping[str, Any]) -> bool:
    """Whether it is being cancelled and its host has not confirmed that the step has stopped."""
    latest = target["steps"][-1] if target["steps"] else {"stop_evidence": ""}
    return (
        target["state"] == TargetState.CANCELLING.value
        and latest["stop_evidence"] == StopEvidence.UNCONFIRMED.value
    )
