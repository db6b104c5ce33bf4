"""The content store of tests: it keeps the promises of `ContentStore` until the process ends."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence

from app.rules.failures import ContentCorrupt, StorageDegraded, StorageFull
from app.storage.content import (
    PIECE,
    Digest,
    Running,
    StoreStatus,
    check_name,
    check_range,
    end_of_range,
    random_name,
)
from app.storage.hashing import check_hash, hash_blobs
from app.storage.pieces import gather
from app.storage.threads import Threads


class MemoryStore:
    """Takes `capacity` bytes in all; by default, as many as there is memory."""

    def __init__(self, *, capacity: int | None = None) -> None:
        self._blobs: dict[str, bytes] = {}
        self._capacity = capacity
        self._promised: dict[str, int] = {}
        self._threads: Threads | None = None

    async def open(self) -> None:
        self._threads = Threads()

    async def close(self) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            await threads.shut()

    def new_name(self) -> str:
        return random_name()

    async def check_room(self, size: int) -> None:
        self._check_open()
        self._check_room(size)

    async def write(self, name: str, chunks: AsyncIterator[bytes], *, expect: Digest) -> Digest:
        check_name(name)
        self._check_open()
        self._promise(name, expect.size)
        try:
            content = bytearray()
            async for piece in gather(chunks, size=expect.size):
                content += piece
            check_hash(Digest(hashlib.sha256(content).hexdigest(), expect.size), expect=expect)
            self._blobs[name] = bytes(content)
        finally:
            del self._promised[name]
        return expect

    def _promise(self, name: str, size: int) -> None:
        if name in self._blobs or name in self._promised:
            raise ValueError(f"The blob {name} exists; a name is used once.")
        self._check_room(size)
        self._promised[name] = size

    def _check_room(self, size: int) -> None:
        taken = sum(map(len, self._blobs.values())) + sum(self._promised.values())
        if self._capacity is not None and taken + size > self._capacity:
            raise StorageFull("The memory is too full to take this.")

    def read(
        self,
        name: str,
        *,
        start: int = 0,
        length: int | None = None,
        running: Running | None = None,
    ) -> AsyncGenerator[bytes, None]:
        check_name(name)
        check_range(start, length)
        return self._read(name, start=start, length=length, running=running)

    async def _read(
        self, name: str, *, start: int, length: int | None, running: Running | None
    ) -> AsyncGenerator[bytes, None]:
        end = end_of_range(name, start=start, length=length, size=len(self._content(name)))
        while start < end:
            block = self._content(name)[start : min(start + PIECE, end)]
            if running is not None:
                running.update(block)
            yield block
            start += PIECE

    def _content(self, name: str) -> bytes:
        self._check_open()
        try:
            return self._blobs[name]
        except KeyError:
            raise ContentCorrupt(f"The stored bytes {name} are missing.") from None

    async def digest(
        self,
        names: Sequence[str],
        *,
        progress: Callable[[int], None],
        stop: threading.Event,
        each: Callable[[Digest], None] | None = None,
    ) -> Digest:
        for name in names:
            check_name(name)

        def blocks(name: str) -> Iterator[bytes]:
            for start in range(0, len(self._content(name)), PIECE):
                yield self._content(name)[start : start + PIECE]

        def work(abandoned: threading.Event) -> Digest:
            return hash_blobs(
                map(blocks, names),
                progress=progress,
                stopped=lambda: stop.is_set() or abandoned.is_set(),
                each=each,
            )

        return await self._check_open().run_long(work)

    async def erase(self, names: Sequence[str]) -> None:
        for name in names:
            check_name(name)
        self._check_open()
        for name in names:
            self._blobs.pop(name, None)

    async def size(self, name: str) -> int | None:
        self._check_open()
        content = self._blobs.get(check_name(name))
        return None if content is None else len(content)

    async def names(self) -> AsyncGenerator[str, None]:
        self._check_open()
        for name in sorted(self._blobs):
            yield name

    async def healthy(self) -> bool:
        return self._threads is not None

    async def status(self) -> StoreStatus:
        taken = sum(map(len, self._blobs.values())) + sum(self._promised.values())
        free = None if self._capacity is None else self._capacity - taken
        return StoreStatus(healthy=await self.healthy(), free=free)

    def _check_open(self) -> Threads:
        if self._threads is None:
            raise StorageDegraded("The content store is closed.")
        return self._threads
