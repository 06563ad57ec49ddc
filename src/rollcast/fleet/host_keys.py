"""A host's public key as text: checked to the last byte, with the fingerprint that OpenSSH prints."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

from rollcast.engine.problems import InputError, Problem, gettext_noop, listed

# What OpenSSH accepts today. ssh-dss is broken and long gone from it.
ALGORITHMS: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
# Bytes of a key: one of RSA with 16,384 bits has 2,071.
MAX_KEY_BYTES: Final = 2200
_CURE: Final = gettext_noop(
    "Paste the line that ssh-keyscan prints for the host, or its /etc/ssh/ssh_host_*_key.pub."
)


@dataclass(frozen=True)
class HostKeyText:
    """A checked key. `key` is `<algorithm> <base64>`; `fingerprint` is `SHA256:…`."""

    algorithm: str
    key: str
    fingerprint: str


def parse_host_key(text: str) -> HostKeyText:
    """Read `ssh-ed25519 AAAA…`; a known_hosts line's names and a comment are accepted and dropped.

    Raises InputError (field `host_key`) for anything else, a marker such as @revoked included.
    """
    words = text.split()
    if words and words[0].startswith("@"):
        raise _problem(
            "host_key_marker", gettext_noop("Lines marked “%(word)s” are not read."), word=words[0]
        )
    at = next((index for index, word in enumerate(words[:2]) if word in ALGORITHMS), None)
    if at is None or len(words) < at + 2:
        raise _problem(
            "host_key_shape",
            gettext_noop("“%(text)s” does not name a key of a known kind (%(known)s)."),
            text=text[:60],
            known=listed(ALGORITHMS[:5]),
        )
    algorithm, encoded = words[at], words[at + 1]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        blob = b""
    if not _is_whole(blob, algorithm):
        raise _problem(
            "host_key_damaged",
            gettext_noop("The %(algorithm)s key is damaged or cut off."),
            algorithm=algorithm,
        )
    return HostKeyText(algorithm, f"{algorithm} {base64.b64encode(blob).decode()}", fingerprint_of(blob))


def fingerprint_of(blob: bytes) -> str:
    """`SHA256:` and the unpadded base64 of the digest, as `ssh-keygen -lf` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _is_whole(blob: bytes, algorithm: str) -> bool:
    """Whether the blob is a sequence of complete fields, of which the first names the algorithm."""
    fields: list[bytes] = []
    rest = blob
    while len(rest) >= 4:
        size = int.from_bytes(rest[:4], "big")
        if size > len(rest) - 4:
            return False
        fields.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    return not rest and len(fields) >= 2 and fields[0] == algorithm.encode() and len(blob) <= MAX_KEY_BYTES


def _problem(code: str, template: str, **params: object) -> InputError:
    return InputError(Problem(code, template, params, _CURE, field="host_key"))
