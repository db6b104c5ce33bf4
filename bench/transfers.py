"""A client that costs next to nothing, and what it measures of a server's transfers."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.servers import cpu_seconds
from tests.journeys.client import Api, Json
from tests.journeys.observed import Memory

MIB: Final = 1 << 20
QUERY: Final = b'{"query":"{ viewer { name } }"}'


@dataclass(frozen=True)
class Sample:
    """A file of random bytes."""

    path: Path
    size: int
    sha256: str

    @classmethod
    def made(cls, path: Path, size: int) -> Sample:
        """A new file of `size` bytes."""
        sha256 = hashlib.sha256()
        with path.open("wb") as file:
            for start in range(0, size, 8 * MIB):
                block = os.urandom(min(8 * MIB, size - start))
                sha256.update(block)
                file.write(block)
        return cls(path, size, sha256.hexdigest())


@dataclass
class Bench:
    """A server, a client of it, and what was measured: seconds by name, and bytes of memory."""

    api: Api
    key: str
    address: tuple[str, int]
    pid: int
    blobs: Path
    version: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    grown: dict[str, int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**6)))

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Notes the seconds of the block, and those of the server's processor meanwhile."""
        begun, used = time.perf_counter(), cpu_seconds(self.pid)
        yield
        self.seconds.setdefault(name, []).append(time.perf_counter() - begun)
        self.cpu.setdefault(name, []).append(cpu_seconds(self.pid) - used)

    @contextmanager
    def weighed(self, name: str) -> Iterator[None]:
        """Notes by how much the server's memory grew at most."""
        memory = Memory(self.pid)
        yield
        self.grown[name] = max(self.grown.get(name, 0), memory.growth())

    def binary(self, sample: Sample) -> tuple[str, Json]:
        """A new binary of one part; its id, and the part."""
        part = {"index": 1, "size": str(sample.size), "hash": sample.sha256}
        made = self.api.do(
            "createBinary",
            "binary { id parts { uploadUrl } }",
            artifactVersionId=self.version,
            target=f"bench-t{next(self.numbers)}",
            hash=sample.sha256,
            size=str(sample.size),
            parts=[part],
        )
        return made["id"], made["parts"][0]

    def upload(self, sample: Sample, path: str) -> None:
        """Sends a file as the kernel does it, so that the client costs next to nothing."""
        with socket.create_connection(self.address) as connection, sample.path.open("rb") as file:
            head = f"PUT {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n"
            connection.sendall(f"{head}Content-Length: {sample.size}\r\n\r\n".encode())
            connection.sendfile(file)
            answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 200 "), answer

    def download(self, path: str) -> int:
        """Has the kernel throw the content away as it comes; gives how many bytes it was."""
        buffer = bytearray(MIB)
        with socket.create_connection(self.address) as connection:
            head = f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode())
            came = connection.recv(65_536)
            while b"\r\n\r\n" not in came:
                came += connection.recv(65_536)
            assert came.startswith(b"HTTP/1.1 200 "), came
            size = len(came.partition(b"\r\n\r\n")[2])
            while got := connection.recv_into(buffer, MIB, socket.MSG_TRUNC):
                size += got
        return size

    def reset(self, *ids: str) -> None:
        """Has content erased, and waits for that: it must not take the next one's disk."""
        for id in ids:
            self.api.do("resetBinary", "binary { id }", binaryId=id)
        while any(path.is_file() for path in self.blobs.glob("??/*")):
            time.sleep(0.01)


@dataclass
class Asking:
    """A small query every 10 ms, in a thread of its own."""

    address: tuple[str, int]
    key: str

    @contextmanager
    def asked(self) -> Iterator[list[float]]:
        """Asks while the block lasts; gives the seconds of each answer."""
        seconds: list[float] = []
        stopped = threading.Event()
        thread = threading.Thread(target=self._ask, args=(seconds, stopped))
        thread.start()
        try:
            yield seconds
        finally:
            stopped.set()
            thread.join()

    def _ask(self, seconds: list[float], stopped: threading.Event) -> None:
        connection = http.client.HTTPConnection(*self.address)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        while not stopped.wait(0.01):
            begun = time.perf_counter()
            connection.request("POST", "/graphql", QUERY, headers)
            answer = connection.getresponse()
            assert b'"viewer"' in answer.read()
            seconds.append(time.perf_counter() - begun)
        connection.close()
