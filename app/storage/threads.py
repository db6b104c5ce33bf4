"""Runs what blocks in threads of the store's own, and never loses sight of a running one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Final, ParamSpec, TypeVar

from app.rules.failures import StorageDegraded

_P = ParamSpec("_P")
_T = TypeVar("_T")

THREADS: Final = 8
"""Threads for short hops, and as many again for long jobs."""


class Threads:
    """Two pools: hashing or erasing gigabytes does not keep an upload's next piece waiting.

    A thread can't be interrupted. So whoever is cancelled while one works for it gets its
    `CancelledError` only when that thread is done: then it may close and remove what the
    thread was using.
    """

    def __init__(self) -> None:
        self._short = ThreadPoolExecutor(THREADS, thread_name_prefix="storage")
        self._long = ThreadPoolExecutor(THREADS, thread_name_prefix="storage-long")

    async def run(self, work: Callable[_P, _T], *args: _P.args, **options: _P.kwargs) -> _T:
        """Run short `work` to its end, and return its result; a cancellation waits for it."""
        return await _outcome(_submit(self._short, work, *args, **options), give_up=_wait)

    def begin(self, work: Callable[_P, _T], *args: _P.args, **options: _P.kwargs) -> Future[_T]:
        """Have short `work` done meanwhile; `ended` gives its result, and has to be awaited."""
        return _submit(self._short, work, *args, **options)

    @staticmethod
    async def ended(job: Future[_T]) -> _T:
        """Return the result of what was begun; a cancellation waits for it."""
        return await _outcome(job, give_up=_wait)

    @staticmethod
    async def settled(jobs: Iterable[Future[_T]]) -> None:
        """Return when all of what was begun has ended, however; a cancellation waits for it."""
        cancelled: asyncio.CancelledError | None = None
        for job in jobs:
            try:
                # How it ended, nobody wants to know any more.
                with suppress(Exception):
                    await Threads.ended(job)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def run_long(self, work: Callable[[threading.Event], _T]) -> _T:
        """Run `work(abandoned)`, and return its result.

        A cancellation takes it from the queue or, if it runs, sets `abandoned`, which the work
        should look at every few milliseconds.
        """
        abandoned = threading.Event()
        job = _submit(self._long, work, abandoned)

        def give_up() -> None:
            abandoned.set()
            job.cancel()

        return await _outcome(job, give_up=give_up)

    async def shut(self) -> None:
        """Wait for what runs and what is queued; then no thread is left, and none is started."""
        await asyncio.to_thread(self._short.shutdown)
        await asyncio.to_thread(self._long.shutdown)


def _submit(
    pool: ThreadPoolExecutor, work: Callable[_P, _T], *args: _P.args, **options: _P.kwargs
) -> Future[_T]:
    try:
        return pool.submit(work, *args, **options)
    except RuntimeError as error:
        raise StorageDegraded("The content store is closed.") from error


def _wait() -> None:
    """Give up nothing: short work is at its end before interrupting it would be worth it."""


async def _outcome(job: Future[_T], *, give_up: Callable[[], None]) -> _T:
    future = asyncio.wrap_future(job)
    try:
        # `wait` leaves the future alone when it is cancelled itself, as `await future` doesn't.
        await asyncio.wait([future])
    except asyncio.CancelledError:
        give_up()
        while not future.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([future])
        if not future.cancelled():
            # Whoever was cancelled can't be told; asking keeps asyncio from complaining.
            future.exception()
        raise
    return future.result()
