"""How the loops of the worker wait: for a wake-up, for the next look, and after failures."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import Final

from app.rules.failures import DatabaseUnavailable, StorageDegraded, StorageFull

LONGEST_PAUSE: Final = 5.0
"""Seconds after which what failed is tried again at the latest."""

_log = logging.getLogger(__name__)


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

    @contextlib.contextmanager
    def trying(self, work: str) -> Iterator[None]:
        """Has an exception of the block logged as what puts the work off, and ends it here."""
        try:
            yield
        except (DatabaseUnavailable, StorageDegraded, StorageFull) as error:
            self.failed()
            _log.warning("%s is put off: %s", work, error)
        except Exception:
            self.failed()
            _log.exception("%s is put off.", work)
        else:
            self.succeeded()

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
