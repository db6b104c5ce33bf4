"""How a client uses several servers: each in turn, and the others when one is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import httpx

from tests.journeys.checks import Failed
from tests.journeys.client import LIMITS


@dataclass
class Doom:
    """What happens to a server, once, as soon as it was sent so many bytes of uploads."""

    url: str
    after: int
    happen: Callable[[], object]
    sent: int = field(default=0, init=False)
    happened: bool = field(default=False, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def note(self, size: int) -> None:
        """Counts bytes; it may happen within this call."""
        with self._lock:
            self.sent += size
            due = self.sent >= self.after and not self.happened
            self.happened = self.happened or due
        if due:
            self.happen()


class Alternating(httpx.BaseTransport):
    """Sends requests to each of these servers in turn.

    A server that takes no connection is left out from then on. So is one that breaks off an upload,
    which is sent again to the next: the same bytes again are the same part. Whether a mutation
    that was broken off is done nobody knows: that is the caller's to judge.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self.doom: Doom | None = None
        self.answered = dict.fromkeys(urls, 0)
        """How many requests each server has answered."""
        self.again = 0
        """How many requests were sent again, to another one."""
        self._alive = list(urls)
        self._turns = count()
        self._inner = httpx.HTTPTransport(limits=LIMITS, trust_env=False)
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer of the first server that gives one. Raises httpx.TransportError."""
        while True:
            url = self._next()
            try:
                answer = self._inner.handle_request(self._to(url, request))
            except httpx.TransportError as error:
                if not isinstance(error, httpx.ConnectError) and request.method != "PUT":
                    raise
                self._gone(url)
                continue
            with self._lock:
                self.answered[url] += 1
            return answer

    def take_back(self, url: str) -> None:
        """Sends requests to a server again that was gone."""
        with self._lock:
            self._alive.append(url)

    def close(self) -> None:
        """Closes all connections."""
        self._inner.close()

    def _next(self) -> str:
        with self._lock:
            if not self._alive:
                raise Failed("No server is left.")
            return self._alive[next(self._turns) % len(self._alive)]

    def _gone(self, url: str) -> None:
        with self._lock:
            self.again += 1
            if url in self._alive:
                self._alive.remove(url)

    def _to(self, url: str, request: httpx.Request) -> httpx.Request:
        base = httpx.URL(url)
        stream = request.stream
        assert isinstance(stream, httpx.SyncByteStream)
        if self.doom is not None and self.doom.url == url and request.method == "PUT":
            stream = _Counted(stream, self.doom)
        return httpx.Request(
            request.method,
            request.url.copy_with(host=base.host, port=base.port),
            headers={**request.headers, "host": base.netloc.decode()},
            stream=stream,
            extensions=request.extensions,
        )


@dataclass
class _Counted(httpx.SyncByteStream):
    inner: httpx.SyncByteStream
    doom: Doom

    def __iter__(self) -> Iterator[bytes]:
        for block in self.inner:
            self.doom.note(len(block))
            yield block
