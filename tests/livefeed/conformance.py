"""RFC 6455 by other people's test cases: `make conformance`, which needs the package kosoku.

Kosoku runs the cases of the Autobahn test suite against an echo behind our listening socket, uvicorn settings
and protocols. Left out: 9 (messages of megabytes, which our limit refuses) and 12 and 13 (compression, which
we do not offer). It prints each case that was not passed, ends with one line of JSON, and fails if any did.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import uvicorn

from rollcast.config.launcher import listening_socket, uvicorn_settings

LEFT_OUT = ("9.*", "12.*", "13.*")
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}


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
            report = _run(f"ws://127.0.0.1:{listener.getsockname()[1]}/echo", Path(folder))
    finally:
        server.should_exit = True
        serving.join(30)
    counts: dict[str, int] = {}
    for case, verdict in sorted(report.items()):
        counts[verdict] = counts.get(verdict, 0) + 1
        if verdict != "OK":
            sys.stdout.write(f"{case}: {verdict}\n")
    failed = [case for case, verdict in report.items() if verdict not in PASSED]
    sys.stdout.write(json.dumps({"cases": len(report), **counts, "failed": failed}) + "\n")
    return 1 if failed or not report else 0


def _run(url: str, folder: Path) -> dict[str, str]:
    """(case, verdict) of each."""
    program = Path(sys.executable).with_name("kosoku")
    without = [word for case in LEFT_OUT for word in ("-x", case)]
    subprocess.run(
        [program, "-m", "fuzzingclient", "-p", "4", *without, "-o", folder, url],
        stdout=sys.stderr,
        timeout=300,
    )
    (index,) = folder.rglob("index.json")
    (cases,) = json.loads(index.read_text("utf-8")).values()
    return {case: result["behavior"] for case, result in cases.items()}


if __name__ == "__main__":
    sys.exit(main())
