"""The one `ROLLCAST` settings dict and its defaults.

Every limit in time or size that Rollcast itself decides on stands here once, with its unit and its reason.
A project that mounts Rollcast sets only what it wants to change: `ROLLCAST = {"MAX_PARALLEL": 50}`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from django.conf import settings

DEFAULTS: Final[dict[str, Any]] = {
    # Where recipes, files to upload and the embedded database live.
    "HOME": Path.home() / ".local" / "share" / "rollcast",
    # Folders; None means "<HOME>/recipes" and "<HOME>/files".
    "RECIPES": None,
    "FILES": None,
    # Who may operate: dotted path of `(user) -> bool`. The default: active staff with the permission.
    "MAY_OPERATE": "rollcast.access.permissions.staff_with_permission",
    # The template that Rollcast's pages extend, so that a back office can bring its own frame.
    "BASE_TEMPLATE": "console/base.html",
    # Dotted path of the dispatcher that carries hints to workers.
    "DISPATCHER": "rollcast.dispatchers.embedded.EmbeddedDispatcher",
    # A one-time sign-in link lives this long.
    "SIGN_IN_LINK_MINUTES": 30,
    # Leases: each worker says once a second that it lives and is trusted for ten: nine lost beats are no
    # accident, and a lost worker's hosts wait no longer than that.
    "LEASE_BEAT_S": 1.0,
    "LEASE_TRUST_S": 10.0,
    # A writer waits so long for another one to let go of the embedded database; then it is refused, says so,
    # and tries again. Longer than any write of ours.
    "DATABASE_LOCK_S": 20.0,
    # Without any hint a worker looks at the rows this often.
    "SWEEP_S": 1.0,
    # A tick of the recorder: lines of all targets that arrive within it are stored by one transaction.
    "RECORD_TICK_S": 0.05,
    # Bytes of memory that lines take in a worker before followers stop reading from their hosts.
    "RECORD_MAX_BYTES": 8 * 1024 * 1024,
    # A host must be reached within this time, or the target fails as unreachable.
    "CONNECT_DEADLINE_S": 60.0,
    # One TCP connect and one SSH log-in.
    "CONNECT_TIMEOUT_S": 10.0,
    "LOGIN_TIMEOUT_S": 15.0,
    # SSH keepalive: three unanswered in a row mean that contact is lost.
    "KEEPALIVE_S": 5.0,
    # Handshakes at a time: above about 50 the loop lag hurts every other host.
    "HANDSHAKES": 50,
    # Without a byte for this long the follower looks on a second channel whether the step still lives.
    "SILENCE_LOOK_S": 30.0,
    # Back-off between attempts to reach a lost host: first, and at most.
    "RECONNECT_FIRST_S": 1.0,
    "RECONNECT_MAX_S": 30.0,
    # Between TERM and KILL when a step is cancelled.
    "CANCEL_GRACE_S": 10.0,
    # Bytes one step may write into its journal on the host before the runner ends it.
    "MAX_OUTPUT": 256 * 1024 * 1024,
    # Upper bound of a rollout's `parallel`.
    "MAX_PARALLEL": 200,
    # Days for which the output of a rollout is kept after its end; 0 = for ever. The rollout itself stays.
    "KEEP_OUTPUT_DAYS": 0,
    # How often a worker looks for output to prune.
    "PRUNE_EVERY_S": 3600.0,
    # Rows on one page of a list.
    "PAGE_SIZE": 50,
}


def option(name: str) -> Any:
    """The setting `ROLLCAST[name]` or its default; raises KeyError for a name that does not exist."""
    if name not in DEFAULTS:
        raise KeyError(f"ROLLCAST has no setting {name!r}")
    return getattr(settings, "ROLLCAST", {}).get(name, DEFAULTS[name])


def home() -> Path:
    """The installation's folder."""
    return Path(option("HOME"))


def recipes_folder() -> Path:
    """Where recipe files are looked for."""
    return Path(option("RECIPES") or home() / "recipes")


def files_folder() -> Path:
    """Where `upload` steps take their files from."""
    return Path(option("FILES") or home() / "files")
