"""A time within which something has to be done.

`asyncio.timeout` promises the same, and asks for the loop and for the task again at every step.
Each request has two of these, and so would spend on them a tenth of what it costs.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Deadline:
    """Cancels what its block awaits once the time is over; the block then raises TimeoutError.

    Without seconds there is no end until `limit` sets one. A cancellation by somebody else stays
    one.
    """

    __slots__ = ("_before", "_loop", "_over", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._task = task
        self._before = task.cancelling()
        if self._seconds is not None:
            self.limit(self._seconds)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._over and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def limit(self, seconds: float) -> None:
        """Ends the block after so many seconds from now, unless its end was set before."""
        if self._timer is None:
            self._timer = self._loop.call_later(seconds, self._end)

    def _end(self) -> None:
        self._over = True
        self._task.cancel()
