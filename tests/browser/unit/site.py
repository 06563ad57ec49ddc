"""A static site over the source folders, with the strictest policy that any page of ours has."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

import livefeed
import rollcast.console

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws:; "
    "base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
)
ROOTS = {
    "/static/livefeed/": Path(livefeed.__file__).parent / "static" / "livefeed",
    "/static/console/": Path(rollcast.console.__file__).parent / "static" / "console",
}
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
EMPTY = """<!doctype html><html lang="en"><meta charset="utf-8"><title>unit</title>
<link rel="icon" href="data:,"><body></body></html>"""

History = Callable[[dict[str, str]], tuple[int, str]]


class Site:
    """`pages` maps a path to HTML; `history`, when set, answers `/livefeed/history`: (status, JSON text).

    `live`, when set, serves the requests and handshakes to `/livefeed/`.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.pages: dict[str, str] = {"/": EMPTY}
        self.history: History | None = None
        self.live: Callable[[http.server.BaseHTTPRequestHandler], None] | None = None
        self.posts: list[tuple[str, dict[str, str], str]] = []
        self.post_answer: tuple[int, str] = (202, "{}")


@contextmanager
def serve_site() -> Iterator[Site]:
    """The site on a port of its own, until the block is left."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path)
            if path.path in site.pages:
                self._answer(200, "text/html; charset=utf-8", site.pages[path.path].encode())
            elif path.path == "/livefeed/history" and site.history:
                query = {name: values[0] for name, values in parse_qs(path.query).items()}
                status, text = site.history(query)
                self._answer(status, "application/json", text.encode())
            elif path.path == "/livefeed/" and site.live:
                site.live(self)
            else:
                self._file(path.path)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            site.posts.append(
                (self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            )
            status, text = site.post_answer
            self._answer(status, "application/json", text.encode())

        def _file(self, path: str) -> None:
            for prefix, root in ROOTS.items():
                file = root / path.removeprefix(prefix)
                if path.startswith(prefix) and file.is_file():
                    self._answer(200, KINDS[file.suffix], file.read_bytes())
                    return
            self._answer(404, "text/plain", b"no such file")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", POLICY)
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Quiet: a failing test shows what it saw itself."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site = Site(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, name="unit site")
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
