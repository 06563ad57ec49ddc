"""What can go wrong between us and a host. Each has a `code` for rows and a message for people."""

from __future__ import annotations


class RemoteError(Exception):
    """The root of all errors of this package. `code` is stable, `message` names the host and the cure."""

    code = "remote"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ContactLost(RemoteError):
    """The connection or channel went away. What runs on the host goes on: attach again."""

    code = "contact_lost"


class Unreachable(RemoteError):
    """No connection came about: nobody answered, or not in time, or not by SSH."""

    code = "unreachable"


class AuthFailed(RemoteError):
    """The host does not accept our user or key, or the key file cannot be used."""

    code = "auth_failed"


class HostKeyUnknown(RemoteError):
    """No key of this host is pinned. `key` is the one it presented: "ssh-ed25519 AAAA…"."""

    code = "host_key_unknown"

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


class HostKeyChanged(RemoteError):
    """The host presented another key than those pinned. `key` is the one it presented."""

    code = "host_key_changed"

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


class RunnerError(RemoteError):
    """The runner on the host could not do what it was asked, and says why."""

    code = "runner"


class NothingWritable(RunnerError):
    """The runner cannot be put on the host, because its user can write nothing there: run steps attached."""


class ForcedCommand(RunnerError):
    """The host does not run our commands but another one: a forced command, or a login shell of its own."""

    code = "forced_command"


class UploadRefused(RemoteError):
    """The file cannot be sent, or what arrived is not what was to be sent. Nothing was put in its place."""

    code = "upload"
