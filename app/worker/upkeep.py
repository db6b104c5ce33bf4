"""What every process does for itself, worker or not, for as long as it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from app.ballast import ballast
from app.server import Server

UPKEEP_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


class Upkeep:
    """A loop that mends what can be mended, every `interval` seconds.

    A store whose disk failed takes writes again once a probe has passed; the ballast takes its
    room back. Whoever watches the server need not ask for either.
    """

    def __init__(self, server: Server, *, interval: float = UPKEEP_SECONDS) -> None:
        self._interval = interval
        self._chores: tuple[Callable[[], Awaitable[object]], ...] = (
            server.store.healthy,
            restore_ballast,
        )

    async def run(self) -> None:
        """Go on until cancelled. No exception ends it; each one is logged."""
        while True:
            await asyncio.sleep(self._interval)
            for chore in self._chores:
                try:
                    await chore()
                except Exception:
                    _log.exception("A chore failed, and is tried again.")


async def restore_ballast() -> bool:
    """Take back what the ballast gave up, as far as there is room; whether it is complete."""
    return not ballast.lacking or await asyncio.to_thread(ballast.take_back)
