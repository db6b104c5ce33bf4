"""The content store in a bucket: one object per blob."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakSet

from app.rules.failures import StorageDegraded
from app.storage.bucket import Bucket, answering, opened
from app.storage.content import (
    PIECE,
    Digest,
    DigestStopped,
    Running,
    StoreStatus,
    check_name,
    check_range,
    end_of_range,
    is_name,
    random_name,
)
from app.storage.hashing import TELL_EVERY, check_hash
from app.storage.jobs import Jobs, to_the_end
from app.storage.location import Location, Missing
from app.storage.pieces import gather
from app.storage.resuming import Reading, missing, part_sizes, resumed
from app.storage.threads import Threads
from app.storage.uploads import Arrived, blob_name, split

PART: Final = 8 * PIECE
"""Bytes that are sent at once, and sent again when that fails. A blob up to this size is stored by
one request, a larger one by an upload in parts."""
WINDOW: Final = 16 * PIECE
"""Bytes that are asked for at once. What another process erased is missed after these."""
KEPT: Final = 1_000
"""Objects whose parts' sizes are remembered: they never change."""
ERASERS: Final = 8
"""Blobs that are looked for at once when they are erased."""


@dataclass(frozen=True, slots=True)
class _Open:
    """What an open store works with."""

    bucket: Bucket
    threads: Threads
    ends: AsyncExitStack


@dataclass
class _Writing:
    """A blob on its way in: what was hashed, and the upload if there is one."""

    name: str
    hash: Any = field(default_factory=hashlib.sha256)
    upload: str | None = None
    parts: list[Arrived] = field(default_factory=list)


class S3Store:
    """Keeps the promises of `ContentStore` in a bucket.

    Bytes are durable when the bucket has said so. To erase is to delete each version: whether the
    provider's disks are overwritten then is the provider's promise.
    """

    def __init__(self, location: Location) -> None:
        self._location = location
        self._open: _Open | None = None
        self._jobs = Jobs()
        self._writing: set[str] = set()
        self._readings: WeakSet[Reading] = WeakSet()
        self._failed = False
        self._sizes: dict[str, list[int]] = {}

    async def open(self) -> None:
        async with answering(self._location), AsyncExitStack() as ends:
            bucket = await ends.enter_async_context(opened(self._location))
            await bucket.check()
            await bucket.probe(f"probe-{random_name()}")
            self._open = _Open(bucket, Threads(), ends.pop_all())
        self._failed = False

    async def close(self) -> None:
        closing, self._open = self._open, None
        if closing is not None:
            await self._jobs.ended()
            await closing.threads.shut()
            await closing.ends.aclose()

    def new_name(self) -> str:
        return blob_name()

    async def check_room(self, size: int) -> None:  # noqa: ARG002 - a bucket has no end.
        _ = self._opened

    async def write(self, name: str, chunks: AsyncIterator[bytes], *, expect: Digest) -> Digest:
        check_name(name)
        use = self._opened
        if name in self._writing:
            raise ValueError(f"The blob {name} is being written; a name is used once.")
        self._writing.add(name)
        try:
            with self._jobs.one():
                await self._write(use, name, chunks, expect=expect)
        finally:
            self._writing.discard(name)
        return expect

    async def _write(
        self, use: _Open, name: str, chunks: AsyncIterator[bytes], *, expect: Digest
    ) -> None:
        if await use.bucket.size(name) is not None:
            raise ValueError(f"The blob {name} exists; a name is used once.")
        blob = _Writing(name)
        try:
            await self._fill(use, blob, chunks, expect=expect)
        except BaseException as cause:
            self._failed = self._failed or isinstance(cause, StorageDegraded)
            try:
                await to_the_end(_discard(use.bucket, blob))
            except StorageDegraded:
                # A cancellation arrives as what it is. Everything else would promise that the
                # bytes are gone.
                if isinstance(cause, Exception):
                    raise
            raise

    async def _fill(
        self, use: _Open, blob: _Writing, chunks: AsyncIterator[bytes], *, expect: Digest
    ) -> None:
        part = bytearray()
        async with aclosing(gather(chunks, size=expect.size)) as pieces:
            async for piece in pieces:
                await use.threads.run(blob.hash.update, piece)
                part += piece
                if len(part) >= PART and expect.size > PART:
                    await self._send(use, blob, bytes(part))
                    part.clear()
        check_hash(Digest(blob.hash.hexdigest(), expect.size), expect=expect)
        if expect.size <= PART:
            await use.bucket.put(blob.name, bytes(part), sha256=expect.sha256)
            return
        if part:
            await self._send(use, blob, bytes(part))
        assert blob.upload is not None
        try:
            await use.bucket.complete(blob.name, blob.upload, blob.parts, size=expect.size)
        except Missing as error:
            raise StorageDegraded("The bucket lost an upload that was under way.") from error

    async def _send(self, use: _Open, blob: _Writing, content: bytes) -> None:
        if blob.upload is None:
            blob.upload = await use.bucket.begin(blob.name)
        sha256 = (await use.threads.run(hashlib.sha256, content)).hexdigest()
        number = len(blob.parts) + 1
        try:
            sent = await use.bucket.put_part(blob.name, blob.upload, number, content, sha256=sha256)
        except Missing as error:
            raise StorageDegraded("The bucket lost an upload that was under way.") from error
        blob.parts.append(sent)

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
        use = self._opened
        async with aclosing(self._blocks(use, name, start=start, length=length)) as blocks:
            async for block in blocks:
                if running is not None:
                    await use.threads.run(running.update, block)
                yield block
                if self._open is not use:
                    raise StorageDegraded("The content store is closed.")

    async def _blocks(
        self, use: _Open, name: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yields the range in blocks of 1 MiB, whatever breaks off on the way."""
        reading = Reading(name)
        self._readings.add(reading)
        found, first, size = await self._place(use, name)
        end = first + end_of_range(name, start=start, length=length, size=size)
        start += first
        while start < end:
            stop = min(start + WINDOW, end)
            block = bytearray()
            async with aclosing(resumed(use.bucket, found, start=start, end=stop)) as chunks:
                async for chunk in chunks:
                    block += chunk
                    while len(block) >= PIECE:
                        reading.check()
                        yield bytes(block[:PIECE])
                        del block[:PIECE]
            if block:
                reading.check()
                yield bytes(block)
            start = stop

    async def _place(self, use: _Open, name: str) -> tuple[str, int, int]:
        """Which object has the blob, where it begins there, and its size. Raises ContentCorrupt."""
        found, index = split(name)
        if index is None:
            size = await use.bucket.size(name)
            if size is None:
                raise missing(name)
            return name, 0, size
        sizes = self._sizes.get(found)
        if sizes is None:
            sizes = await part_sizes(use.bucket, found)
            self._sizes[found] = sizes
            while len(self._sizes) > KEPT:
                self._sizes.pop(next(iter(self._sizes)))
        if index > len(sizes):
            raise missing(name)
        return found, sum(sizes[: index - 1]), sizes[index - 1]

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
        use = self._opened
        sha256 = alone = hashlib.sha256()
        done = told = 0

        def take(block: bytes, *, tell: bool) -> None:
            sha256.update(block)
            if each is not None:
                alone.update(block)
            if tell:
                progress(done)

        with self._jobs.one():
            for name in names:
                alone, begun = hashlib.sha256(), done
                async with aclosing(self._blocks(use, name)) as blocks:
                    async for block in blocks:
                        _go_on(stop)
                        done += len(block)
                        tell = done - told >= TELL_EVERY
                        told = done if tell else told
                        await use.threads.run(take, block, tell=tell)
                if each is not None:
                    await use.threads.run(each, Digest(alone.hexdigest(), done - begun))
            _go_on(stop)
            await use.threads.run(take, b"", tell=True)
        return Digest(sha256.hexdigest(), done)

    async def erase(self, names: Sequence[str]) -> None:
        wanted = set(map(check_name, names))
        use = self._opened
        # A part goes with its object, and not without it: another may be sent in its place.
        wanted = {name for name in wanted if split(name)[1] is None}
        for name in wanted:
            self._sizes.pop(name, None)
        for reading in self._readings:
            reading.erased = reading.erased or split(reading.name)[0] in wanted
        free = asyncio.Semaphore(ERASERS)

        async def abort(name: str) -> None:
            async with free:
                for found, upload in await use.bucket.uploads(name):
                    await use.bucket.abort(found, upload)

        with self._jobs.one():
            # An upload that is completed meanwhile is deleted after.
            await asyncio.gather(*map(abort, sorted(wanted)))
            await use.bucket.delete(sorted(wanted))

    async def size(self, name: str) -> int | None:
        use = self._opened
        object_name, index = split(check_name(name))
        if index is None:
            return await use.bucket.size(name)
        found = await use.bucket.part_size(object_name, index)
        if found is not None:
            return found[0]
        for _, upload in await use.bucket.uploads(object_name):
            arrived = await self.arrived(object_name, upload) or {}
            if index in arrived:
                return arrived[index].size
        return None

    async def begin(self, name: str) -> str:
        return await self._opened.bucket.begin(check_name(name))

    async def part_url(
        self, name: str, upload: str, index: int, *, expect: Digest, seconds: int
    ) -> str:
        return await self._opened.bucket.part_url(
            check_name(name), upload, index, sha256=expect.sha256, seconds=seconds
        )

    async def arrived(self, name: str, upload: str) -> Mapping[int, Arrived] | None:
        try:
            parts = await self._opened.bucket.parts(check_name(name), upload)
        except Missing:
            return None
        return {part.index: part for part in parts}

    async def complete(
        self, name: str, upload: str, parts: Sequence[Arrived], *, size: int
    ) -> None:
        with self._jobs.one():
            try:
                await self._opened.bucket.complete(check_name(name), upload, parts, size=size)
            except Missing as error:
                raise StorageDegraded("The bucket lost an upload that was under way.") from error

    async def content_url(self, name: str, *, filename: str, seconds: int, cdn: str = "") -> str:
        if cdn:
            return f"{cdn.rstrip('/')}/{self._opened.bucket.key(check_name(name))}"
        return await self._opened.bucket.content_url(
            check_name(name), filename=filename, seconds=seconds
        )

    async def names(self) -> AsyncGenerator[str, None]:
        async with aclosing(self._opened.bucket.names()) as names:
            async for name in names:
                if is_name(name):
                    yield name

    async def healthy(self) -> bool:
        use = self._open
        if use is None:
            return False
        if self._failed:
            try:
                await use.bucket.probe(f"probe-{random_name()}")
            except StorageDegraded:
                return False
            self._failed = False
        return await use.bucket.answers()

    async def status(self) -> StoreStatus:
        return StoreStatus(healthy=await self.healthy())

    @property
    def _opened(self) -> _Open:
        if self._open is None:
            raise StorageDegraded("The content store is closed.")
        return self._open


async def _discard(bucket: Bucket, blob: _Writing) -> None:
    """Removes what there may be of a blob that is not to be."""
    if blob.upload is not None:
        await bucket.abort(blob.name, blob.upload)
    await bucket.delete([blob.name])


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise DigestStopped("Hashing was asked to stop.")
