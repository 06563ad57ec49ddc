"""Programs that some tests need and a machine may not have.

A test that needs one says `need("sshd")`. Without it the test is skipped, and its reason begins with NOT
RUN, which the end of the run lists.
"""

from __future__ import annotations

import shutil
from typing import Final

import pytest

# The Debian package that brings a program.
PACKAGES: Final = {
    "sshd": "openssh-server",
    "busybox": "busybox",
    "bash": "bash",
    "dash": "dash",
    "stdbuf": "coreutils",
    "chromium": "chromium",
    "redis-server": "redis-server",
}
# Daemons lie outside an ordinary user's PATH.
_FOLDERS: Final = "/usr/sbin:/sbin:/usr/local/sbin"


def need(program: str) -> str:
    """The program's path, or the running test is skipped as NOT RUN."""
    path = shutil.which(program) or shutil.which(program, path=_FOLDERS)
    if path is None:
        pytest.skip(f"NOT RUN: needs {program} (apt-get install {PACKAGES.get(program, program)})")
    return path
