"""The HTTP side of a livefeed, scripted request by request on the site's own `/livefeed/`.

Like `scripted.py` it shares no code with our server. A handshake comes here too: it is passed on to the
scripted WebSocket server, unless `shut` answers it as a proxy would that lets no WebSocket through.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from tests.browser.unit.scripted import WELCOME, Message, ScriptedFeed
from tests.waiting import eventually

Kind = Literal["stream", "poll"]
TYPES: dict[str, Kind] = {"text/event-stream": "stream", "application/json": "poll"}
RST = struct.pack("ii", 1, 0)


class Request:
    """One request of the client, from the server's side."""

    def __init__(self, handler: http.server.BaseHTTPRequestHandler, kind: Kind) -> None:
        query = parse_qs(urlsplit(handler.path).query)
        self.kind = kind
        self.subs: list[Message] = [json.loads(text) for text in query["sub"]]
        self.wait: str | None = query.get("wait", [None])[0]
        self.gone = threading.Event()
        self._socket: socket.socket = handler.connection

    @property
    def sub(self) -> Message:
        """Its only subscription."""
        (sub,) = self.subs
        return sub

    def welcome(self, **changes: Any) -> None:
        """Begin a stream with the greeting."""
        self.begin()
        self.say(WELCOME | changes)

    def grant(self, head: int, epoch: str = "e1", closed: bool = False) -> Message:
        """Greet and grant the only subscription of a stream."""
        self.welcome()
        self.say(subok(self.sub, head, epoch, closed))
        return self.sub

    def begin(self, media_type: str = "text/event-stream") -> None:
        """The head of an answer that lasts."""
        self._head(200, {"Content-Type": media_type, "Transfer-Encoding": "chunked"})

    def say(self, *messages: Message) -> None:
        """Messages on a stream that has begun."""
        self.say_raw("".join(f"data: {json.dumps(message)}\n\n" for message in messages).encode())

    def say_raw(self, piece: bytes) -> None:
        """Any bytes, as one chunk."""
        self._socket.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")

    def answer(self, *messages: Message, greet: bool = True) -> None:
        """The whole answer to a poll, greeting first."""
        body = json.dumps({"m": [*([WELCOME] if greet else []), *messages]}).encode()
        self.refuse(200, {"Content-Type": "application/json"}, body)

    def answer_half(self, *messages: Message) -> None:
        """The first half of the same, then nothing."""
        body = json.dumps({"m": [WELCOME, *messages]}).encode()
        head = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        self._head(200, head, body[: len(body) // 2])
        self.cut()

    def refuse(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        """Any other whole answer."""
        self._head(status, {"Content-Length": str(len(body)), **(headers or {})}, body)
        self._close()

    def end(self) -> None:
        """A stream ends without a fault on the way."""
        self._socket.sendall(b"0\r\n\r\n")
        self._close()

    def cut(self) -> None:
        """The connection is reset."""
        with contextlib.suppress(OSError):  # the client may have gone first
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        self._close()

    def wait_until_over(self) -> None:
        """Until the client has gone or the test has ended it; a client says nothing more in between."""
        with contextlib.suppress(OSError):
            self._socket.recv(1)
        self.gone.set()

    def _head(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        fields = {"Connection": "close", "Cache-Control": "no-store", **headers}
        lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in fields.items())]
        # In one go: a client may close as soon as it has read the status.
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


class ScriptedHttp:
    """All requests so far, oldest first; hand `attend` to a site as its `live`."""

    def __init__(self, feed: ScriptedFeed) -> None:
        self._feed = feed
        self.requests: list[Request] = []
        self.handshakes = 0
        # What the proxy answers to a handshake: bytes, or None for nothing at all. Unset, it passes it on.
        self.shut: Callable[[], bytes | None] | None = None

    def request(self, n: int, kind: Kind) -> Request:
        """The n-th request, which must be of this kind; waits for it."""
        eventually(lambda: len(self.requests) > n, what=f"request {n}")
        assert self.requests[n].kind == kind
        return self.requests[n]

    def attend(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Serve one request or handshake in the site's thread for it."""
        handler.close_connection = True
        if handler.headers.get("Upgrade", "").lower() == "websocket":
            self.handshakes += 1
            self._handshake(handler)
            return
        request = Request(handler, TYPES[handler.headers["Accept"]])
        self.requests.append(request)
        request.wait_until_over()

    def _handshake(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        if self.shut is None:
            _tunnel(handler, int(urlsplit(self._feed.url).port or 0))
            return
        answer = self.shut()
        if answer is None:
            with contextlib.suppress(OSError):
                handler.connection.recv(1)
        else:
            handler.connection.sendall(answer)


def _tunnel(handler: http.server.BaseHTTPRequestHandler, port: int) -> None:
    """Pass a handshake on, and all that follows, both ways until one side ends."""
    with socket.create_connection(("127.0.0.1", port)) as there:
        head = f"{handler.requestline}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in handler.headers.items())
        there.sendall(f"{head}\r\n".encode())
        up = threading.Thread(target=_pump, args=(handler.connection, there), name="tunnel", daemon=True)
        up.start()
        _pump(there, handler.connection)
        up.join(10)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def subok(sub: Message, head: int, epoch: str = "e1", closed: bool = False) -> Message:
    """The subscription stands."""
    fields = {"epoch": epoch, "first": 1, "head": head, "after": sub["after"], "closed": closed}
    return {"t": "subok", "id": sub["id"], **fields}


def caught_up(sub: Message, seq: int) -> Message:
    """The cursor is the head."""
    return {"t": "caught_up", "id": sub["id"], "seq": seq}


def plain_answer(status: str, body: str = "") -> bytes:
    """What a proxy says to a handshake that it does not understand."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\nConnection: close"
    return f"{head}\r\n\r\n{body}".encode()
