"""What people read for a state, a reason or a verb: the one place that turns codes into sentences.

Rows and events carry codes (`running`, `unreachable`, `exit 3`); pages show the words of this module, in the
reader's language. An unknown code is shown as it is rather than hidden: the screen never lies.
"""

from __future__ import annotations

import re
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

Word = str | Promise

STATES: Final[dict[str, Word]] = {
    "pending": pgettext_lazy("state", "Pending"),
    "starting": pgettext_lazy("state", "Starting"),
    "running": pgettext_lazy("state", "Running"),
    "paused": pgettext_lazy("state", "Paused"),
    "lost": pgettext_lazy("state", "Lost"),
    "cancelling": pgettext_lazy("state", "Cancelling"),
    "succeeded": pgettext_lazy("state", "Succeeded"),
    "failed": pgettext_lazy("state", "Failed"),
    "cancelled": pgettext_lazy("state", "Cancelled"),
    "skipped": pgettext_lazy("state", "Skipped"),
    "interrupted": pgettext_lazy("state", "Interrupted"),
    "pausing": pgettext_lazy("state", "Pausing"),
    "waiting": pgettext_lazy("state", "Waiting for a person"),
    # Host keys.
    "pinned": pgettext_lazy("key state", "Trusted"),
    "unknown": pgettext_lazy("key state", "Unknown key"),
    "changed": pgettext_lazy("key state", "Key changed"),
    "revoked": pgettext_lazy("key state", "Refused"),
    "none": pgettext_lazy("key state", "No key yet"),
}

# The glyph beside the word: colour alone never carries a state.
ICONS: Final[dict[str, str]] = {
    "pending": "circle-dashed",
    "starting": "circle-dot",
    "running": "circle-dot",
    "paused": "circle-pause",
    "lost": "unplug",
    "cancelling": "octagon-x",
    "succeeded": "check",
    "failed": "x",
    "cancelled": "ban",
    "skipped": "skip-forward",
    "interrupted": "hand",
    "pausing": "circle-pause",
    "waiting": "hand",
    "pinned": "shield-check",
    "unknown": "shield-question-mark",
    "changed": "shield-alert",
    "revoked": "ban",
    "none": "circle-dashed",
}

REASONS: Final[dict[str, Word]] = {
    "unreachable": _("The host could not be reached"),
    "host_key_unknown": _("The host showed a key that nobody has trusted yet"),
    "host_key_changed": _("The host showed another key than the trusted one"),
    "auth_failed": _("The host refused the user or the key"),
    "budget_exceeded": _("The failure budget was exceeded"),
    "interrupted": _("The step was cut off; how far it came is not known"),
    "recipe_unreadable": _("The recipe can no longer be read; cancel and start anew"),
    "host_removed": _("The host is no longer in the fleet"),
    "contact_lost": _("Contact with the host was lost"),
    "hosts_skipped": _("Hosts were left out and not retried"),
    "cancel_too_late": _("It ended before the cancel reached it"),
    "nothing_ran": _("The start never reached the host; nothing ran"),
    "gone": _("The process is gone and left no result"),
    "missing": _("The step's folder is gone from the host"),
    "unstarted": _("The step was prepared on the host but did not begin"),
    "timeout": _("The step ran into its timeout"),
    "output_limit": _("The step wrote more output than is allowed"),
    "journal_differs": _("What was received is not what the host wrote"),
    "upload": _("The file could not be sent, or did not arrive as it should"),
    "runner": _("The runner on the host could not do its work"),
    "remote": _("Something went wrong on the way to the host"),
    "forced_command": _("The host does not run our commands but another one"),
    "attached": _("Attached: nothing can be written on this host, so a lost contact cuts the step off"),
    "attached_lost": _("Contact was lost, and with it the attached step; how far it came is not known"),
}

_EXIT = re.compile(r"exit (\d+)")

STEP_KINDS: Final[dict[str, Word]] = {
    "run": pgettext_lazy("step kind", "run"),
    "upload": pgettext_lazy("step kind", "upload"),
    "check": pgettext_lazy("step kind", "check"),
    "wait": pgettext_lazy("step kind", "wait"),
}

PARAMETER_TYPES: Final[dict[str, Word]] = {
    "string": pgettext_lazy("parameter type", "text"),
    "integer": pgettext_lazy("parameter type", "whole number"),
    "boolean": pgettext_lazy("parameter type", "yes or no"),
    "choice": pgettext_lazy("parameter type", "one of"),
}

RERUNS: Final[dict[str, Word]] = {
    "always": _("runs again by itself"),
    "never": _("is never run again"),
    "ask": _("asks a person"),
}


def state_word(state: str) -> str:
    """The word for a state of a rollout, target, step run or host key."""
    return str(STATES.get(state, state))


def reason_text(reason: str) -> str:
    """A sentence for a reason code; "" for none, the code itself when it is not known here."""
    exit_code = _EXIT.fullmatch(reason)
    if exit_code:
        return gettext("The step ended with exit code %(code)s") % {"code": exit_code[1]}
    return str(REASONS.get(reason, reason))
