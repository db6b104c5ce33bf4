"""How the loops of the worker wait: for a wake-up, for the next look, and after failures."""

from __future__ import annotations

import asyncio
from typing import Final

LONGEST_PAUSE: Final = 5.0
"""Seconds after which what failed is tried again at the latest."""


class Pace:
    """How long one loop pauses: `interval` seconds, and longer after failures in a row."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._longest = max(interval, LONGEST_PAUSE)
        self._failures = 0

    def succeeded(self) -> None:
        """Back to the interval."""
        self._failures = 0

    def failed(self) -> None:
        """Twice as long as before, up to `LONGEST_PAUSE`."""
        self._failures += 1

    @property
    def seconds(self) -> float:
        """The next pause."""
        # No more doublings than it takes: a database may be away for days.
        return min(self._longest, self._interval * 2.0 ** min(self._failures, 10))


async def woken(event: asyncio.Event, *, within: float) -> bool:
    """Wait for the event and clear it; False if it was not set `within` seconds."""
    try:
        async with asyncio.timeout(within):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True
