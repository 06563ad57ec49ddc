"""Our keys and the hosts' keys, parsed once.

asyncssh's own known_hosts file is read anew for each connection, on the loop: over a fleet that is
quadratic. Here each host brings its pinned keys, and a text is parsed once in the life of the process.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from pathlib import Path
from typing import Final

import asyncssh

from rollcast.remote.connector import HostSpec
from rollcast.remote.errors import AuthFailed, RemoteError

# Tried in this order when a host names no key file, as ssh does.
DEFAULT_KEY_NAMES: Final = ("id_ed25519", "id_ecdsa", "id_rsa")
# Kinds of host keys we ask for when nothing is pinned. A pinned key's kind comes first, or the server would
# show another.
HOST_KEY_KINDS: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)

_loaded: dict[Path, tuple[int, asyncssh.SSHKey]] = {}


@lru_cache(maxsize=4096)
def host_key(text: str) -> asyncssh.SSHKey:
    """The public key "ssh-ed25519 AAAA…"; raises asyncssh.KeyImportError."""
    return asyncssh.import_public_key(text)


def pinned_keys(spec: HostSpec) -> list[asyncssh.SSHKey]:
    """The host's pinned keys; raises RemoteError when one of them is no key."""
    try:
        return [host_key(text) for text in spec.host_keys]
    except asyncssh.KeyImportError as error:
        raise RemoteError(f"{spec.name}: a pinned host key cannot be read: {error}") from error


def key_text(key: asyncssh.SSHKey) -> str:
    """ "ssh-ed25519 AAAA…", without a comment."""
    algorithm, encoded = key.export_public_key().decode().split()[:2]
    return f"{algorithm} {encoded}"


def kinds_wanted(pinned: list[asyncssh.SSHKey]) -> list[str]:
    """The kinds of host keys to ask for, the pinned ones first."""
    first = [
        name.decode() for key in pinned for name in key.sig_algorithms if name.decode() in HOST_KEY_KINDS
    ]
    return list(dict.fromkeys([*first, *HOST_KEY_KINDS]))


async def client_keys(spec: HostSpec) -> list[asyncssh.SSHKey]:
    """The keys to sign in with; raises AuthFailed with the reason when there is none that can be used."""
    return await asyncio.to_thread(_client_keys, spec)


def _client_keys(spec: HostSpec) -> list[asyncssh.SSHKey]:
    if spec.key_file is not None:
        return [_load(spec.name, Path(spec.key_file).expanduser())]
    folder = Path.home() / ".ssh"
    keys = [_load(spec.name, folder / name) for name in DEFAULT_KEY_NAMES if (folder / name).is_file()]
    if not keys:
        raise AuthFailed(f"{spec.name}: no key file is set for this host and {folder} holds none")
    return keys


def _load(name: str, path: Path) -> asyncssh.SSHKey:
    try:
        changed_at = path.stat().st_mtime_ns
        if path not in _loaded or _loaded[path][0] != changed_at:
            _loaded[path] = changed_at, asyncssh.read_private_key(path)
        return _loaded[path][1]
    except OSError as error:
        raise AuthFailed(f"{name}: the key file {path} cannot be read: {error.strerror}") from error
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise AuthFailed(
            f"{name}: the key file {path} cannot be used: {error}. "
            "It must be a private key without a passphrase"
        ) from error
