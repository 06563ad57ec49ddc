"""Why a host did not take part, in words: what happened, to which host, and the cure.

A rollout meets them when it runs, long after its start was accepted; each door (page, API, CLI) says the same
about them as about bad input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rollcast.engine.problems import Problem, gettext_noop
from rollcast.engine.states import TargetState

# Reason of a failed target -> (what happened, the cure).
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
}


def trouble_of(target: Mapping[str, Any]) -> Problem | None:
    """The trouble of a target as `queries.rollout_page` has it; None if it has none of these."""
    if target["state"] != TargetState.FAILED.value or target["reason"] not in TROUBLES:
        return None
    template, cure = TROUBLES[target["reason"]]
    params = {"host": target["name"], "address": target["address"]}
    return Problem(target["reason"], template, params, cure)
