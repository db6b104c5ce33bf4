"""The content store on a disk: one file per blob, in 256 folders."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import aclosing, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app.rules.failures import StorageDegraded, StorageFull
from app.storage import folders
from app.storage.blob import NewBlob, StoredBlob, blobs_of, probe
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
from app.storage.erasing import erase_blobs
from app.storage.hashing import check_hash, hash_blobs
from app.storage.pieces import gather
from app.storage.syscalls import FULL, DiskFailed
from app.storage.threads import Threads

AHEAD: Final = 2
"""Blocks that are read before they are asked for."""
RESERVE: Final = 64 * 1024 * 1024
"""Bytes that stay free by default, for the database to go on with when content may not."""


class DiskStore:
    """Keeps the promises of `ContentStore` in the folder `root`, which is its own.

    No blob is taken that would leave less than `reserve` bytes free. Several processes may use
    one folder; each one's blobs in flight are counted only by itself.
    """

    def __init__(self, root: Path, *, reserve: int = RESERVE) -> None:
        self._root = root
        self._reserve = reserve
        self._threads: Threads | None = None
        self._writing: set[NewBlob] = set()
        self._jobs = 0
        self._idle = asyncio.Event()
        self._idle.set()
        # A failure while a probe runs is not forgiven by it, so these are counts and no flag.
        self._failures = 0
        self._forgiven = 0
        self._probing = asyncio.Lock()
        self._failed_at: datetime | None = None
        self._probed_at: datetime | None = None

    async def open(self) -> None:
        threads = Threads()
        try:
            await threads.run(folders.prepare, self._root)
        except OSError as error:
            await threads.shut()
            raise StorageDegraded(
                f"The content folder {self._root} can't be used: {error.strerror}."
            ) from error
        self._threads = threads
        self._forgiven = self._failures

    async def close(self) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            await self._idle.wait()
            await threads.shut()

    def new_name(self) -> str:
        return random_name()

    async def check_room(self, size: int) -> None:
        self._check_trusted()
        promised = size + sum(other.to_come for other in self._writing)
        with self._typed():
            await self._open_threads.run(
                folders.check_room, self._root, promised=promised, reserve=self._reserve
            )

    async def write(self, name: str, chunks: AsyncIterator[bytes], *, expect: Digest) -> Digest:
        blob = NewBlob(self._path(name), size=expect.size)
        with self._job() as threads:
            self._check_trusted()
            self._writing.add(blob)
            try:
                await self._fill(blob, chunks, expect=expect, threads=threads)
            except BaseException as cause:
                await self._discard(blob, cause=cause, threads=threads)
                raise
            finally:
                self._writing.discard(blob)
            blob.release()
        return expect

    async def _fill(
        self, blob: NewBlob, chunks: AsyncIterator[bytes], *, expect: Digest, threads: Threads
    ) -> None:
        # Uploads under way have been promised room that is still free now.
        promised = sum(other.to_come for other in self._writing)
        with self._typed():
            await threads.run(blob.create, promised=promised, reserve=self._reserve)
        # What `chunks` raises is the sender's failure, and stays out of `_typed`.
        async with aclosing(gather(chunks, size=expect.size)) as pieces:
            async for piece in pieces:
                with self._typed():
                    await threads.run(blob.append, piece)
        check_hash(Digest(blob.sha256(), expect.size), expect=expect)
        with self._typed():
            await threads.run(blob.finish, size=expect.size)

    async def _discard(self, blob: NewBlob, *, cause: BaseException, threads: Threads) -> None:
        try:
            with self._typed():
                await threads.run(blob.discard)
        except (StorageDegraded, StorageFull) as error:
            # A cancellation must arrive as what it is. Everything else would promise that the
            # bytes are gone.
            if isinstance(cause, Exception):
                raise StorageDegraded("The disk failed to remove what was refused.") from error

    def read(
        self,
        name: str,
        *,
        start: int = 0,
        length: int | None = None,
        running: Running | None = None,
    ) -> AsyncGenerator[bytes, None]:
        path = self._path(name)
        check_range(start, length)
        return self._read(path, start=start, length=length, running=running)

    async def _read(
        self, path: Path, *, start: int, length: int | None, running: Running | None
    ) -> AsyncGenerator[bytes, None]:
        with StoredBlob(path) as blob:
            with self._typed():
                await self._open_threads.run(blob.open)
            end = end_of_range(path.name, start=start, length=length, size=blob.size)
            async with aclosing(self._ahead(blob, start=start, end=end, running=running)) as blocks:
                async for block in blocks:
                    yield block

    async def _ahead(
        self, blob: StoredBlob, *, start: int, end: int, running: Running | None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the blocks; while one is dealt with, the next ones are read and hashed already.

        With one alone, a thread that is done would wait for the event loop to give it another,
        and the loop for the thread: then hashing and sending take turns instead of overlapping.
        """
        reading: deque[Future[bytes]] = deque()

        def read_on() -> None:
            nonlocal start
            while start < end and len(reading) < AHEAD:
                size = min(PIECE, end - start)
                before = reading[-1] if reading else None
                job = self._open_threads.begin(
                    blob.block, start=start, size=size, running=running, before=before
                )
                reading.append(job)
                start += size

        try:
            read_on()
            while reading:
                with self._typed():
                    block = await self._open_threads.ended(reading[0])
                reading.popleft()
                read_on()
                # It may be some time since this block was read.
                blob.check_not_erased()
                yield block
        finally:
            # The file may be closed only then.
            await Threads.settled(reading)

    async def digest(
        self,
        names: Sequence[str],
        *,
        progress: Callable[[int], None],
        stop: threading.Event,
        each: Callable[[Digest], None] | None = None,
    ) -> Digest:
        paths = [self._path(name) for name in names]

        def work(abandoned: threading.Event) -> Digest:
            with closing(blobs_of(paths)) as blobs:
                return hash_blobs(
                    blobs,
                    progress=progress,
                    stopped=lambda: stop.is_set() or abandoned.is_set(),
                    each=each,
                )

        with self._job() as threads, self._typed():
            return await threads.run_long(work)

    async def erase(self, names: Sequence[str]) -> None:
        paths = [self._path(name) for name in names]

        def work(abandoned: threading.Event) -> None:
            erase_blobs(paths, stopped=abandoned.is_set)

        with self._job() as threads, self._typed():
            await threads.run_long(work)

    async def size(self, name: str) -> int | None:
        path = self._path(name)
        with self._typed():
            return await self._open_threads.run(folders.size_of, path)

    async def names(self) -> AsyncGenerator[str, None]:
        for folder in folders.all_of(self._root):
            with self._typed():
                found = await self._open_threads.run(folders.names_in, folder)
            for name in found:
                yield name

    async def healthy(self) -> bool:
        async with self._probing:
            if self._threads is None:
                return False
            if self._degraded:
                failures = self._failures
                self._probed_at = datetime.now(UTC)
                with suppress(StorageDegraded, StorageFull), self._job() as threads, self._typed():
                    await threads.run(probe, self._root, folders.probe_name())
                    self._forgiven = failures
            return not self._degraded

    async def status(self) -> StoreStatus:
        healthy, free = await self.healthy(), None
        with suppress(StorageDegraded), self._typed():
            free = await self._open_threads.run(folders.free_space, self._root)
        return StoreStatus(
            healthy=healthy,
            free=free,
            reserve=self._reserve,
            failed_at=self._failed_at,
            probed_at=self._probed_at,
        )

    @property
    def _degraded(self) -> bool:
        return self._failures > self._forgiven

    def _check_trusted(self) -> None:
        if self._degraded:
            raise StorageDegraded("The disk failed, writes are refused until it is healthy.")

    @property
    def _open_threads(self) -> Threads:
        if self._threads is None:
            raise StorageDegraded("The content store is closed.")
        return self._threads

    def _path(self, name: str) -> Path:
        return folders.path_of(self._root, check_name(name))

    @contextmanager
    def _job(self) -> Iterator[Threads]:
        """Give the threads to a job that `close` waits for."""
        threads = self._open_threads
        self._jobs += 1
        self._idle.clear()
        try:
            yield threads
        finally:
            self._jobs -= 1
            if not self._jobs:
                self._idle.set()

    @contextmanager
    def _typed(self) -> Iterator[None]:
        """Turn the system's errors to those of `app.rules.failures`, and remember the bad ones."""
        try:
            yield
        except DiskFailed as error:
            self._failures += 1
            self._failed_at = datetime.now(UTC)
            raise StorageDegraded(f"The disk failed: {error.strerror}.") from error
        except OSError as error:
            if error.errno in FULL:
                raise StorageFull("The disk is too full to take this.") from error
            raise StorageDegraded(f"The store can't do this: {error.strerror}.") from error
