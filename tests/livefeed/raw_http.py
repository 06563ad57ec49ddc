"""Clients without a WebSocket, written from section 10 of docs/protocol.md alone: EventSource and long poll.

Plain sockets; they share no line with the server.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from typing_extensions import override

from tests.livefeed.raw_client import DEAD_S, CutOff, RawClient, Refused, Reset


class Answer:
    """One HTTP answer, read as it comes: `status`, `headers`, and the body without its chunks."""

    def __init__(self, port: int, path: str, headers: Mapping[str, str], *, buffer: int = 0) -> None:
        """`buffer`: bytes that the kernel may take before anybody reads; 0: its own choice."""
        self._fields = {"Host": f"127.0.0.1:{port}", "Connection": "close", **headers}
        self._port, self._path = port, path
        self._buffer = buffer
        self._rest = bytearray()
        self.size = 0  # bytes that have come

    def __enter__(self) -> Answer:
        self.socket = socket.socket()
        try:
            if self._buffer:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)
            self.socket.settimeout(DEAD_S)
            self.socket.connect(("127.0.0.1", self._port))
            self._ask()
        except BaseException:
            self.socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def _ask(self) -> None:
        head = "".join(f"{name}: {value}\r\n" for name, value in self._fields.items())
        self.socket.sendall(f"GET {self._path} HTTP/1.1\r\n{head}\r\n".encode())
        status, *lines = self._until(b"\r\n\r\n").decode().split("\r\n")
        self.status = int(status.split()[1])
        pairs = (line.partition(":") for line in lines)
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}

    def body(self) -> Iterator[bytes]:
        """The body in the pieces in which it comes; raises CutOff where it is not whole."""
        if "content-length" in self.headers:
            yield self._take(int(self.headers["content-length"]))
            return
        assert self.headers["transfer-encoding"] == "chunked"
        while size := int(self._until(b"\r\n"), 16):
            yield self._take(size)
            assert self._take(2) == b"\r\n"

    def json(self) -> Any:
        """The whole body."""
        return json.loads(b"".join(self.body()))

    def events(self) -> Iterator[dict[str, str]]:
        """Server-sent events: the last value of each field, or the joined lines of `data`."""
        text = bytearray()
        for piece in self.body():
            text += piece
            while (end := text.find(b"\n\n")) >= 0:
                fields: dict[str, str] = {}
                for line in text[:end].decode().split("\n"):
                    name, _, value = line.partition(": ")
                    fields[name] = f"{fields['data']}\n{value}" if name == "data" in fields else value
                del text[: end + 2]
                yield fields

    def _until(self, mark: bytes) -> bytes:
        while (end := self._rest.find(mark)) < 0:
            self._read()
        found = bytes(self._rest[:end])
        del self._rest[: end + len(mark)]
        return found

    def _take(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._read()
        taken = bytes(self._rest[:size])
        del self._rest[:size]
        return taken

    def _read(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise CutOff("end of stream")
        self._rest += data
        self.size += len(data)


class HttpClient(RawClient):
    """What both have in common: a cursor, and messages that move it."""

    size = 0  # bytes of the last answer that was heard to its end

    def address(self, **more: Any) -> str:
        """Where to ask from the cursor on."""
        cursor = {"epoch": self.epoch or "", "after": self.seq}
        return f"/livefeed/?{urlencode({'feed': self.feed, **cursor, **more})}"

    def hear(self, answer: Answer, messages: Iterator[dict[str, Any]]) -> None:
        """Apply what was answered."""
        if answer.status != 200:
            raise Refused(answer.status) if answer.status < 500 else CutOff(answer.status)
        for message in messages:
            self.hurry()
            self.heard(message)
            if self.ended:
                self.size = answer.size
                return

    def heard(self, message: Mapping[str, Any]) -> None:
        """One message; raises CutOff where the cursor must be said anew."""
        match message["t"]:
            case "subok":
                self.epoch = message["epoch"]
            case "ev":
                assert message["prev"] == self.seq
                self.apply(message)
            case "end":
                assert message["seq"] == self.seq
                self.ended = True
            case "reset" if message["reason"] == "too_far":
                self.read_history()
                raise CutOff("read on from here")
            case "reset":
                raise Reset(message)
            case "err":
                raise Refused(message["code"])
            case "bye":
                raise Refused(message["code"]) if message["code"] >= 4500 else CutOff(message["code"])


class StreamClient(HttpClient):
    """An EventSource: asks the same address again and again, with the last `id` it saw."""

    last_event_id = ""

    @override
    def connect(self) -> None:
        with self.open() as answer:
            self.hear(answer, self._messages(answer))
        if not self.ended:
            raise CutOff("the stream ended")

    def open(self, **options: int) -> Answer:
        """The answer, to be entered and then to be heard with `go_on`."""
        asked = {"Accept": "text/event-stream"}
        if self.last_event_id:
            asked["Last-Event-ID"] = self.last_event_id
        else:
            self._address = self.address()
        return Answer(self.port, self._address, self.headers | asked, **options)

    def go_on(self, answer: Answer) -> None:
        """Hear what comes until it ends, however it does."""
        with suppress(CutOff):
            self.hear(answer, self._messages(answer))

    def _messages(self, answer: Answer) -> Iterator[dict[str, Any]]:
        for event in answer.events():
            self.last_event_id = event.get("id", self.last_event_id)
            yield json.loads(event["data"])

    @override
    def read_history(self) -> None:
        super().read_history()
        self.last_event_id = ""  # a page makes a new EventSource then


class PollClient(HttpClient):
    """A long poll: each request carries the cursor as it stands."""

    @override
    def connect(self) -> None:
        with Answer(self.port, self.address(), self.headers | {"Accept": "application/json"}) as answer:
            self.hear(answer, self._messages(answer))

    def _messages(self, answer: Answer) -> Iterator[dict[str, Any]]:
        yield from answer.json()["m"]
