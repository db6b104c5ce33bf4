"""Reaps uploads that nobody goes on with, for as long as the worker runs."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Final

from app.actions.abandoned import reap_abandoned
from app.rules.failures import DatabaseUnavailable, StorageFull
from app.server import Server

LOOK_AGAIN_SECONDS: Final = 600.0
"""How often abandoned uploads are looked for, at least."""

_log = logging.getLogger(__name__)


class Reaping:
    """A loop that looks for abandoned uploads, ten times as often as one has to be idle."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle = timedelta(seconds=server.settings.upload_abandoned_seconds)

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            try:
                if await reap_abandoned(idle=self._idle):
                    self._server.work.set()
            except (DatabaseUnavailable, StorageFull) as error:
                _log.warning("Abandoned uploads are left for now: %s", error)
            except Exception:
                _log.exception("Abandoned uploads are left for now.")
            await asyncio.sleep(min(LOOK_AGAIN_SECONDS, self._idle.total_seconds() / 10))
