"""Holds a server's connections open with requests that never come to their end.

Each kind of connection sends what it has, and then nothing, or a byte a second. When the server
closes one, another takes its place, so that their number stays. Meanwhile a client that means
well asks something, each time on a connection of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

CLOSED_SECONDS: Final = 15.0
"""Within which the server closes a half-open connection."""
GOOD_SECONDS: Final = 0.5
"""Within which 99 of 100 good requests are answered."""

UPGRADE: Final = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-protocol": "graphql-transport-ws",
}
"""A good handshake's headers."""

_DRIP_SECONDS: Final = 1.0
_GOOD_PAUSE: Final = 0.04
_LOST_SECONDS: Final = 20.0
"""After which a connection that the server has not closed is given up, and counted as lost."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a connection sends at once, and what it sends each second from then on."""

    name: str
    sent: bytes = b""
    drips: bytes = b""


@dataclass
class Figures:
    """What a run has measured, in seconds."""

    good: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    held: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    most: int = 0
    """The largest number of half-open connections at one time."""

    @property
    def p99(self) -> float:
        """Within which 99 of 100 good requests were answered."""
        return sorted(self.good)[int(len(self.good) * 0.99)]

    @property
    def longest(self) -> float:
        """The longest that the server held a half-open connection."""
        return max(max(times) for times in self.held.values())

    def missed(self, kinds: list[Kind]) -> list[str]:
        """What is not as it must be, a sentence each."""
        found = [f"A good request failed: {one}." for one in self.failed]
        if not self.good:
            return [*found, "No good request was answered."]
        if self.p99 > GOOD_SECONDS:
            found.append(f"A good request's p99 is {self.p99:.3f} s.")
        for kind in kinds:
            times = self.held.get(kind.name)
            if not times:
                found.append(f"No connection was closed that sent {kind.name}.")
            elif max(times) > CLOSED_SECONDS:
                found.append(f"One that sent {kind.name} was held for {max(times):.1f} s.")
        return found

    def lines(self) -> list[str]:
        """The figures, for people."""
        total = sum(len(times) for times in self.held.values())
        return [
            (
                f"half-open: {self.most} at once, {total} closed by the server,"
                f" the last one {self.longest:.1f} s after it was opened"
            ),
            *(
                f"   {name}: {len(times)}, closed after {min(times):.1f} to {max(times):.1f} s"
                for name, times in self.held.items()
            ),
            (
                f"good requests: {len(self.good)}, p50 {statistics.median(self.good):.4f} s,"
                f" p99 {self.p99:.4f} s, slowest {max(self.good):.4f} s, {len(self.failed)} failed"
            ),
        ]


def kinds(*, key: str, upload_path: str, upload_size: int) -> list[Kind]:
    """Every way to leave a request undone. The upload is one that the server waits for."""
    body = json.dumps({"query": "{ viewer { name } }"}).encode()
    post = request("POST", "/graphql", {"content-length": str(len(body))}, key=key)
    stranger = request("POST", "/graphql", {"content-length": "1000000"})
    put = request("PUT", upload_path, {"content-length": str(upload_size)})
    chunked = request("POST", "/graphql", {"transfer-encoding": "chunked"}, key=key)
    return [
        Kind("no bytes"),
        Kind("half a header", post[:40]),
        Kind("half a header, a byte a second", post[:20], post[20:-2]),
        Kind("blank lines alone", b"", b"\r\n" * 60),
        Kind("blank lines after an answer", request("GET", "/health/live"), b"\r\n" * 60),
        Kind("half a body", post + body[:10]),
        Kind("half a body, a byte a second", post, body[:-1] + b" " * 60),
        Kind("a late header, then half a body", post[:-5], post[-5:] + body[:-1] + b" " * 60),
        Kind("chunks, a byte a second", chunked, b"1\r\n{\r\n" * 20),
        Kind("a body that nobody reads, a byte a second", stranger, b" " * 60),
        Kind("half an upload", put + b"x" * 100),
        Kind("half an upload, a byte a second", put, b"x" * 60),
        Kind("a WebSocket without a key", request("GET", "/graphql", UPGRADE)),
    ]


def request(
    method: str, path: str, headers: Mapping[str, str] | None = None, *, key: str = ""
) -> bytes:
    """The head of a request."""
    told = {"host": "bindery", "content-type": "application/json", **(headers or {})}
    if key:
        told["authorization"] = f"Bearer {key}"
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode()


async def measure(
    host: str, port: int, *, key: str, kinds: list[Kind], connections: int, seconds: float
) -> Figures:
    """Holds as many connections for so long, and asks meanwhile; gives what was measured."""
    figures = Figures()
    end = time.monotonic() + seconds
    turn = itertools.cycle(kinds)
    open_now: set[int] = set()

    async def held(number: int) -> None:
        # Not all in the same instant: a server is not asked to accept a thousand at once.
        await asyncio.sleep(number / connections)
        while time.monotonic() < end:
            kind = next(turn)
            open_now.add(number)
            figures.most = max(figures.most, len(open_now))
            taken = await _until_closed(host, port, kind, end=end)
            open_now.discard(number)
            if taken is not None:
                figures.held[kind.name].append(taken)

    async def good() -> None:
        body = b'{"query":"{ viewer { name } }"}'
        close = {"content-length": str(len(body)), "connection": "close"}
        sent = request("POST", "/graphql", close, key=key) + body
        while time.monotonic() < end:
            begun = time.monotonic()
            try:
                answer = await asyncio.wait_for(_asked(host, port, sent), _LOST_SECONDS)
            except OSError as error:
                figures.failed.append(repr(error))
            else:
                figures.good.append(time.monotonic() - begun)
                if not answer.startswith(b"HTTP/1.1 200") or b'"errors"' in answer:
                    figures.failed.append(repr(answer[:200]))
            await asyncio.sleep(_GOOD_PAUSE)

    async with asyncio.TaskGroup() as group:
        group.create_task(good())
        for number in range(connections):
            group.create_task(held(number))
    return figures


async def _asked(host: str, port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(sent)
        return await reader.read()
    finally:
        writer.close()


async def _until_closed(host: str, port: int, kind: Kind, *, end: float) -> float | None:
    """How long the server held a connection; None where the run ended before it let go."""
    reader, writer = await asyncio.open_connection(host, port)
    begun = time.monotonic()
    closed = asyncio.create_task(_closed(reader))
    try:
        writer.write(kind.sent)
        drips = iter(kind.drips)
        while not closed.done():
            now = time.monotonic()
            if now - begun > _LOST_SECONDS:
                return now - begun
            if now > end:
                return None
            await asyncio.wait([closed], timeout=_DRIP_SECONDS)
            if not closed.done() and (drip := next(drips, None)) is not None:
                writer.write(bytes([drip]))
        return time.monotonic() - begun
    finally:
        await _ended(closed)
        writer.transport.abort()


async def _closed(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(65_536):
            pass


async def _ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    stopped: Awaitable[Any] = asyncio.gather(task, return_exceptions=True)
    await stopped
