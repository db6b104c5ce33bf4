"""What is under way, so that whoever closes can wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

_T = TypeVar("_T")


class Jobs:
    """Counts the blocks that are being executed."""

    def __init__(self) -> None:
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Counts the block as long as it lasts."""
        self._running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def ended(self) -> None:
        """Waits until none is under way."""
        await self._idle.wait()


async def to_the_end(work: Awaitable[_T]) -> _T:
    """The outcome of `work`, which goes on when the caller is cancelled, and is waited for."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    return task.result()
