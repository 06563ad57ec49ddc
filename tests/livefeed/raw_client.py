"""A second client, written from docs/protocol.md alone: a plain socket and frames made by hand.

It shares no line with `livefeed.client` and no library with the server: what both clients can do, the page
says. It blocks, so it runs in a thread.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import math
import os
import random
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlencode

from tests.livefeed.oracle import Applied

TEXT: Final = 0x1
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
# Section 8: silent for so long is dead. Section 4: a head ahead of us for so long means a loss.
DEAD_S: Final = 70
BEHIND_S: Final = 3
MAGIC: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


class Refused(Exception):
    """Section 9, 4500-4999, or an answer to the handshake: stop."""

    def __init__(self, code: int | str) -> None:
        super().__init__(str(code))
        self.code = code


class Reset(Exception):
    """Section 5, all but `too_far`: the cursor is not good."""

    def __init__(self, message: Mapping[str, Any]) -> None:
        super().__init__(str(message))
        self.reason, self.first, self.head = message["reason"], message["first"], message["head"]


class CutOff(Exception):
    """The connection is over; come back with the cursor."""


class RawClient:
    """A cursor into one feed of the server at a port, and the events that it has applied."""

    def __init__(
        self, port: int, headers: Mapping[str, str], feed: str, *, epoch: str | None = None, after: int = 0
    ) -> None:
        self.port, self.headers, self.feed = port, dict(headers), feed
        self.epoch, self.seq = epoch, after
        self.applied = Applied()
        self.connections = 0
        self.pages = 0
        self.ended = False
        self._until = math.inf

    def follow(self, deadline_s: float) -> Applied:
        """Apply everything up to the end of the feed, over as many connections as it takes."""
        self._until = time.monotonic() + deadline_s
        while not self.ended:
            self.hurry()
            self.connections += 1
            try:
                self.connect()
            except (CutOff, OSError):
                # Section 8 says a random time; a test is in a hurry.
                threading.Event().wait(random.uniform(0, 0.001))
        return self.applied

    def hurry(self) -> None:
        """Raise TimeoutError once the deadline is over: heartbeats alone would go on for ever."""
        if time.monotonic() > self._until:
            raise TimeoutError(f"at {self.seq} of {self.feed} after {self.connections} connections")

    def connect(self) -> None:
        """One connection: returns at the end of the feed; raises CutOff, OSError, Refused, Reset."""
        with Wire(self.port, self.headers) as wire:
            self._talk(wire)

    def _talk(self, wire: Wire) -> None:
        wire.say(t="hello", client="raw/1")
        number = self.subscribe(wire, 0)
        level_at = time.monotonic()
        while not self.ended:
            message = wire.hear()
            self.hurry()
            if message.get("id", number) != number:
                continue  # of a subscription that we have left
            match message["t"]:
                case "subok":
                    self.epoch = message["epoch"]
                case "ev" if message["prev"] == self.seq:
                    self.apply(message)
                    level_at = time.monotonic()
                    wire.say(t="ack", id=number, seq=self.seq)
                case "ev" if message["to"] > self.seq:
                    number = self.subscribe(wire, number)
                case "hb" if message["heads"].get(str(number), 0) <= self.seq:
                    level_at = time.monotonic()
                case "hb" if time.monotonic() - level_at > BEHIND_S:
                    number = self.subscribe(wire, number)
                case "end":
                    assert message["seq"] == self.seq
                    self.ended = True
                case "reset" if message["reason"] == "too_far":
                    self.read_history()
                    number = self.subscribe(wire, number)
                case "reset":
                    raise Reset(message)
                case "err":
                    raise Refused(message["code"])

    def subscribe(self, wire: Wire, number: int) -> int:
        """From the cursor on, in the place of subscription `number` (0: of none); the new one's number."""
        if number:
            wire.say(t="unsub", id=number)
        wire.say(t="sub", id=number + 1, feed=self.feed, epoch=self.epoch, after=self.seq)
        return number + 1

    def apply(self, message: Mapping[str, Any]) -> None:
        """The events of a message or page that joins the cursor."""
        for _lane, _kind, _origin, _at, first, items in message["g"]:
            assert first == self.seq + 1
            self.applied.add(first, items)
            self.seq += len(items)
        assert self.seq == message["to"]

    def read_history(self) -> None:
        """Pages from the cursor on until nothing newer is stored; raises Reset."""
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            query = urlencode({"feed": self.feed, "epoch": self.epoch or "", "after": self.seq})
            connection.request("GET", f"/livefeed/history?{query}", headers=self.headers)
            response = connection.getresponse()
            page = json.loads(response.read())
            connection.close()
            if response.status == 409:
                raise Reset(page["reset"])
            assert response.status == 200, page
            self.pages += 1
            self.epoch = page["epoch"]
            if page["to"] == page["prev"]:
                return
            self.apply(page)


class Wire:
    """One WebSocket (RFC 6455): the handshake, masked frames up, whole messages down."""

    def __init__(self, port: int, headers: Mapping[str, str], buffer_bytes: int | None = None) -> None:
        """`buffer_bytes`: how much the kernel takes for us while we do not read, about; None: as usual."""
        self._port, self._headers, self._buffer_bytes = port, headers, buffer_bytes
        self._rest = bytearray()

    def __enter__(self) -> Wire:
        self._socket = socket.socket()
        self._socket.settimeout(DEAD_S)
        if self._buffer_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer_bytes)
        try:
            self._socket.connect(("127.0.0.1", self._port))
            self._shake_hands()
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def say(self, **message: Any) -> None:
        """Send a message. What fails here says less than what the server said last: `hear` finds that."""
        with suppress(OSError):
            self._send(TEXT, json.dumps(message).encode())

    def hear(self) -> dict[str, Any]:
        """The next message; raises CutOff, Refused."""
        parts = b""
        while True:
            first, payload = self._frame()
            opcode = first & 0x0F
            if opcode == PING:
                with suppress(OSError):  # as in `say`
                    self._send(PONG, payload)
            elif opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big")
                if 4500 <= code <= 4999:
                    raise Refused(code)
                raise CutOff(code)
            elif opcode != PONG:
                parts += payload
                if first & 0x80:
                    message: dict[str, Any] = json.loads(parts)
                    return message

    def _shake_hands(self) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        fields = {
            "Host": f"127.0.0.1:{self._port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": "livefeed.v1",
            **self._headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._socket.sendall(f"GET /livefeed/ HTTP/1.1\r\n{head}\r\n".encode())
        while b"\r\n\r\n" not in self._rest:
            self._read()
        answer, _, self._rest = self._rest.partition(b"\r\n\r\n")
        status, *lines = answer.decode().split("\r\n")
        code = int(status.split()[1])
        if code != 101:
            raise Refused(code) if code < 500 and code != 429 else CutOff(code)
        given = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        proof = base64.b64encode(hashlib.sha1(f"{key}{MAGIC}".encode(), usedforsecurity=False).digest())
        assert given["sec-websocket-accept"] == proof.decode()
        assert given["sec-websocket-protocol"] == "livefeed.v1"

    def _frame(self) -> tuple[int, bytes]:
        first, length = self._take(2)
        if length > 125:
            length = int.from_bytes(self._take(2 if length == 126 else 8), "big")
        return first, self._take(length)

    def _take(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._read()
        taken = bytes(self._rest[:size])
        del self._rest[:size]
        return taken

    def _read(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise CutOff("end of stream")
        self._rest += data

    def _send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        assert size < 65536
        head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else bytes([0x80 | opcode, 0xFE])
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self._socket.sendall(head + (b"" if size < 126 else size.to_bytes(2, "big")) + mask + masked)
