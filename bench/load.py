"""A load: a few kept-alive connections, each sending the next request when it has its answer.

Every answer is checked: its status, its size, and that it holds no errors. So a request that is
refused or fails is never counted as a fast one; it ends the benchmark.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

CONNECTIONS: Final = 8
TIMEOUT: Final = 60.0
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


class BadAnswer(Exception):
    """A server answered something else than what it was asked for."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request as it is sent, and the size of the body that has to come back."""

    request: bytes
    size: int


@dataclass(slots=True)
class Load:
    """What came of a load: how many answers in how many seconds, and how long each took."""

    requests: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        """The latency in milliseconds that this share of the answers did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1_000


def request(path: str, body: bytes, *, key: str) -> bytes:
    """A POST of JSON, as bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def ask(port: int, sent: bytes) -> bytes:
    """The body of one answer. Raises BadAnswer."""
    connection = Connection(port)
    try:
        connection.begin(sent)
        while (body := connection.read()) is None:
            pass
        return body
    finally:
        connection.close()


def run(
    port: int, exchanges: Sequence[Exchange], *, seconds: float, connections: int = CONNECTIONS
) -> Load:
    """Asks for so long, and waits for what is under way then. Raises BadAnswer."""
    load = Load()
    opened = [Connection(port) for _ in range(connections)]
    try:
        with selectors.DefaultSelector() as selector:
            begun = time.perf_counter()
            end = begun + seconds
            for place, connection in enumerate(opened):
                connection.place = place * len(exchanges) // connections
                connection.begin(exchanges[connection.place].request)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            under_way = connections
            while under_way:
                ready = selector.select(TIMEOUT)
                if not ready:
                    raise BadAnswer(f"no answer within {TIMEOUT:.0f} s")
                for key, _ in ready:
                    connection = key.data
                    body = connection.read()
                    if body is None:
                        continue
                    now = time.perf_counter()
                    _check(body, exchanges[connection.place])
                    load.latencies.append(now - connection.sent_at)
                    if now < end:
                        connection.place = (connection.place + 1) % len(exchanges)
                        connection.begin(exchanges[connection.place].request)
                    else:
                        under_way -= 1
            load.seconds = time.perf_counter() - begun
    finally:
        for connection in opened:
            connection.close()
    load.requests = len(load.latencies)
    return load


def _check(body: bytes, exchange: Exchange) -> None:
    if len(body) != exchange.size:
        raise BadAnswer(f"{len(body)} bytes instead of {exchange.size}: {body[:300]!r}")
    if b'"errors":' in body:
        raise BadAnswer(f"errors: {body[:300]!r}")


class Connection:
    """One connection, with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.place = 0
        self.sent_at = 0.0
        self._received = bytearray()
        self._wanted: tuple[int, int] | None = None

    def begin(self, sent: bytes) -> None:
        """Sends a request."""
        self._received.clear()
        self._wanted = None
        self.sent_at = time.perf_counter()
        self.socket.sendall(sent)

    def read(self) -> bytes | None:
        """Takes what has come; the body, once it is complete. Raises BadAnswer."""
        chunk = self.socket.recv(1 << 18)
        if not chunk:
            raise BadAnswer(f"the connection was closed after {bytes(self._received[:300])!r}")
        self._received += chunk
        if self._wanted is None:
            head_end = self._received.find(_HEAD_END)
            if head_end < 0:
                return None
            self._wanted = head_end + len(_HEAD_END), self._length(head_end)
        start, length = self._wanted
        if len(self._received) < start + length:
            return None
        return bytes(self._received[start:])

    def _length(self, head_end: int) -> int:
        head = bytes(self._received[:head_end])
        if not head.startswith(b"HTTP/1.1 200 "):
            raise BadAnswer(f"not OK: {bytes(self._received[:600])!r}")
        _, found, rest = head.lower().partition(_LENGTH)
        if not found:
            raise BadAnswer(f"no Content-Length: {head!r}")
        return int(rest.partition(b"\r\n")[0])

    def close(self) -> None:
        """Ends the connection."""
        self.socket.close()
