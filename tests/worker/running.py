"""Running a worker in a test, and a store that can be made to hang."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from app.models import Binary
from app.rules.binary import State
from app.server import Server
from app.storage.content import Digest
from app.storage.disk import DiskStore
from app.worker.worker import Worker
from tests.worker.records import blobs

LARGE: Final = bytes(9 << 20)
"""So long that its hashing reports progress on the way, and not only at the end."""
PROGRESS: Final = 8 << 20
"""The bytes that the first report tells."""


class HeldStore(DiskStore):
    """A disk store that can hold up the digests of a binary at their first report."""

    def __init__(self, root: Path, *, reserve: int) -> None:
        super().__init__(root, reserve=reserve)
        self.root = root
        self.holding = 0
        """How many digests are held up now."""
        self._held: set[str] = set()
        self._let_go = threading.Event()

    async def hold(self, binary: Binary) -> None:
        """Hold up the digests of this binary, until they are stopped or let go."""
        self._held.update(await blobs(binary))

    def let_go(self) -> None:
        """Hold up nothing any more."""
        self._let_go.set()

    async def digest(
        self,
        names: Sequence[str],
        *,
        progress: Callable[[int], None],
        stop: threading.Event,
        each: Callable[[Digest], None] | None = None,
    ) -> Digest:
        def told(done: int) -> None:
            progress(done)
            if self._held.isdisjoint(names):
                return
            self.holding += 1
            while not (self._let_go.wait(0.005) or stop.is_set()):
                pass
            self.holding -= 1

        return await super().digest(names, progress=told, stop=stop, each=each)

    async def holds(self, count: int) -> None:
        """Wait until so many digests are held up."""
        await until(lambda: _is(self.holding, count))


@contextlib.asynccontextmanager
async def working(server: Server, **options: Any) -> AsyncIterator[Worker]:
    """A worker that runs for as long as the block lasts, and ends promptly after it."""
    worker = Worker(server, **{"poll_seconds": 0.05, **options})
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        async with asyncio.timeout(5):
            await running


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the condition holds, 10 seconds at most."""
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - rows set no event.
            await asyncio.sleep(0.01)


async def signable(count: int) -> None:
    """Wait until so many binaries are signable."""

    async def reached() -> bool:
        return await Binary.filter(state=State.SIGNABLE).count() == count

    await until(reached)


async def statuses() -> list[str | None]:
    """How far the verification of each binary has come, in order of creation."""
    rows = await Binary.all().order_by("id")
    return [row.verification_status for row in rows]


async def reaches(*expected: str | None) -> None:
    """Wait until the verifications have come this far."""

    async def reached() -> bool:
        return await statuses() == list(expected)

    await until(reached)


async def _is(value: int, expected: int) -> bool:
    return value == expected
