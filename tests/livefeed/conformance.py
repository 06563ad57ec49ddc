"""RFC 6455 by other people's test cases: `make conformance`, which needs the package kosoku.

Kosoku runs the cases of the Autobahn test suite against an echo behind our listening socket, uvicorn settings
and protocols. Left out: 9 (messages of megabytes, which our limit refuses) and 12 and 13 (compression, which
we do not offer). It prints each case that was not simply passed, and ends with one line of JSON. It fails if
any case did, if another number of them ran than docs/protocol.md states, or if kosoku says that it failed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import uvicorn

from rollcast.config.launcher import listening_socket, uvicorn_settings

LEFT_OUT = ("9.*", "12.*", "13.*")
CASES = 247
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}
Verdicts: TypeAlias = tuple[str, str]  # of what a case said, and of how it was closed


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Sends every message back."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", **{kind: message.get(kind) for kind in ("text", "bytes")}})


def main() -> int:
    """Serve the echo, run the cases, print what they say; the exit code."""
    application: Any = echo
    listener = listening_socket("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn_settings(application))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    serving.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            report, exit_code = _run(f"ws://127.0.0.1:{listener.getsockname()[1]}/echo", Path(folder))
    finally:
        server.should_exit = True
        serving.join(30)
    return account(report, exit_code)


def account(report: Mapping[str, Verdicts], exit_code: int) -> int:
    """Print what the cases say, and what speaks against the run; the exit code."""
    counts: dict[str, int] = {}
    for case, (verdict, closing) in sorted(report.items()):
        counts[verdict] = counts.get(verdict, 0) + 1
        if verdict != "OK":
            sys.stdout.write(f"{case}: {verdict}\n")
        if closing not in PASSED:
            sys.stdout.write(f"{case}: closing: {closing}\n")
    failed = [case for case, verdicts in report.items() if not PASSED.issuperset(verdicts)]
    if len(report) != CASES:
        sys.stdout.write(f"{len(report)} cases ran, not {CASES}\n")
    if exit_code:
        sys.stdout.write(f"kosoku ended with {exit_code}\n")
    sys.stdout.write(json.dumps({"cases": len(report), **counts, "failed": failed}) + "\n")
    return 1 if failed or exit_code or len(report) != CASES else 0


def _run(url: str, folder: Path) -> tuple[dict[str, Verdicts], int]:
    """The verdicts of each case, and kosoku's exit code."""
    program = Path(sys.executable).with_name("kosoku")
    without = [word for case in LEFT_OUT for word in ("-x", case)]
    done = subprocess.run(
        [program, "-m", "fuzzingclient", "-p", "4", *without, "-o", folder, url],
        stdout=sys.stderr,
        timeout=300,
    )
    agents = [json.loads(index.read_text("utf-8")) for index in folder.rglob("index.json")]
    cases = [item for agent in agents for report in agent.values() for item in report.items()]
    return {case: (each["behavior"], each["behaviorClose"]) for case, each in cases}, done.returncode


if __name__ == "__main__":
    sys.exit(main())
