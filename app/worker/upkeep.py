"""What every process does for itself, worker or not, for as long as it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from app import engine
from app.actions.presence import Presence
from app.ballast import ballast
from app.rules.refusal import BinderyError
from app.server import Server

UPKEEP_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


class Upkeep:
    """Chores that are done again and again, `interval` seconds after each time; none waits for
    another.

    A store whose disk failed takes writes again once a probe has passed; the ballast takes its
    room back: whoever watches the server need not ask for either. On PostgreSQL the process gives
    signs of life, and cleans up after those that give none.
    """

    def __init__(self, server: Server, *, interval: float | None = None) -> None:
        silent = server.settings.lease_seconds
        self._server = server
        self._interval = interval or max(0.05, min(UPKEEP_SECONDS, silent / 6))
        self._presence = Presence(silent_seconds=silent)
        self._chores: list[Callable[[], Awaitable[object]]] = [
            server.store.healthy,
            restore_ballast,
        ]
        if not engine.is_embedded(server.settings.database_url):
            self._chores.append(self._keep_presence)

    async def run(self) -> None:
        """Go on until cancelled. No exception ends it; each one is logged."""
        await asyncio.gather(*(self._again(chore) for chore in self._chores))

    async def _again(self, chore: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await chore()
            except BinderyError as error:
                _log.warning("A chore is put off: %s", error)
            except Exception:
                _log.exception("A chore failed, and is tried again.")
            await asyncio.sleep(self._interval)

    async def _keep_presence(self) -> None:
        reaped = await self._presence.keep()
        if reaped:
            _log.warning("%d uploads of a process that is gone are cleaned up.", reaped)
            self._server.work.set()


async def restore_ballast() -> bool:
    """Take back what the ballast gave up, as far as there is room; whether it is complete."""
    return not ballast.lacking or await asyncio.to_thread(ballast.take_back)
