"""The one `LIVEFEED` settings dict and its defaults: every limit of livefeed, with its unit and its reason.

A project sets only what it wants to change: `LIVEFEED = {"MAY_READ": "shop.rights.may_read"}`.
Values are looked up when they are needed, so that a test may override them.
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings

DEFAULTS: Final[dict[str, Any]] = {
    # Dotted path of `(user, feed key) -> bool`. Unset, nobody may read anything.
    "MAY_READ": None,
    # Dotted path of the doorbell: how a process learns at once that a feed has grown.
    "DOORBELL": "livefeed.doorbells.memory.MemoryDoorbell",
    # Without any doorbell a watched feed is looked at this often; alone enough for correctness.
    "SAFETY_POLL_S": 1.0,
    # How often the SQLite doorbell asks `PRAGMA data_version` (under 0.1 ms each) while something is watched.
    "DATA_VERSION_POLL_S": 0.02,
    # A client that says no hello in this time is no client of ours.
    "HELLO_S": 5.0,
    # Proxies close what is silent for 60 s: a third of that leaves room for two lost ones.
    "HEARTBEAT_S": 20.0,
    # A head is stated this long after the last event: a client that missed one learns it within a second.
    "QUIET_S": 1.0,
    # What `welcome` tells clients: silent for this long = dead (three heartbeats and some).
    "DEAD_S": 70.0,
    # Events outstanding and nothing acknowledged for this long: the page is gone or stuck.
    "ACK_TIMEOUT_S": 45.0,
    # Unacknowledged bytes: small at first, so that a slow link's heartbeats are not stuck behind megabytes.
    "WINDOW_MIN_BYTES": 16 * 1024,
    "WINDOW_MAX_BYTES": 256 * 1024,
    # An ack within the first limit doubles the window, one after the second halves it.
    "ACK_FAST_S": 1.0,
    "ACK_SLOW_S": 5.0,
    # An event stream ends by itself after this long: nothing that has grown stale on the way lasts for ever.
    "STREAM_S": 600.0,
    # A long poll without news is answered after this long: proxies close what is silent for 30 to 60 s.
    "POLL_WAIT_S": 25.0,
    # One poll brings about so much: a client far behind comes back often enough to see its progress.
    "POLL_BYTES": 256 * 1024,
    # Further behind than this many events the socket would starve others: history pages are for that.
    "TOO_FAR_EVENTS": 5000,
    # Subscriptions on one socket: bounds its memory; a page needs one to three.
    "MAX_SUBSCRIPTIONS": 32,
    # Connections of one process, of whatever transport. Linux lets a process have 1,024 files open unless
    # told otherwise: the rest is for pages, the database, and the hosts of a worker in the same process.
    "MAX_CONNECTIONS": 600,
    # Connections of one user: many tabs, and some that are gone without the server having missed them yet.
    "MAX_PER_USER": 20,
    # Connections from one address (of IPv6 a /64 network): an office behind one router. Behind a proxy that
    # passes no addresses on, everybody has its one; loopback, where such a proxy often runs, is not counted.
    "MAX_PER_ADDRESS": 50,
    # Handshakes a minute from one address without being signed in: each costs a look at the session.
    "STRANGERS_PER_MINUTE": 60,
    # What a client may say a second, and at once: a page says one message a feed when it comes, then acks;
    # those that answer a message of ours are not counted.
    "MESSAGES_PER_S": 30.0,
    "MESSAGES_BURST": 60,
    # Rights are asked anew this often while a subscription stands: finds what nobody tells, such as an
    # expired session.
    "RECHECK_S": 60.0,
    # A server that ends tells its clients to leave over this time, at moments of chance, and waits no longer.
    "DRAIN_S": 5.0,
    # So many leave a second: one tab does not hold up a restart, and a thousand do not all come back at once.
    "DRAIN_PER_S": 50.0,
    # What `welcome` tells clients about coming back: first wait, upper bound of any wait.
    "RETRY_FIRST_MAX_MS": 5000,
    "RETRY_CAP_MS": 30000,
    # A feed's reader stays this long without a subscriber: a reload finds it warm.
    "READER_LINGER_S": 30.0,
    # Encoded messages a reader keeps for sockets near the tail.
    "RING_FRAMES": 256,
    "RING_BYTES": 4 * 1024 * 1024,
    # Threads, each with a database connection of its own, and as many only while they are needed. For the
    # newest events: a feed that is slow to read holds up one of them, and the other feeds go on.
    "TAIL_THREADS": 4,
    # For catch-up reads and history pages: one feed gets at most half of them.
    "PAGE_THREADS": 4,
    # For the questions at each handshake and subscription: who is this, and what may they read?
    "RIGHTS_THREADS": 2,
}


def option(name: str) -> Any:
    """The setting `LIVEFEED[name]` or its default; raises KeyError for a name that does not exist."""
    if name not in DEFAULTS:
        raise KeyError(f"LIVEFEED has no setting {name!r}")
    return getattr(settings, "LIVEFEED", {}).get(name, DEFAULTS[name])
