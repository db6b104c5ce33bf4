"""Reaps uploads that nobody goes on with, for as long as the worker runs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from app.actions.abandoned import reap_abandoned
from app.server import Server
from app.worker.pace import Pace

LOOK_AGAIN_SECONDS: Final = 600.0
"""How often abandoned uploads are looked for, at least."""


class Reaping:
    """A loop that looks for abandoned uploads, ten times as often as one has to be idle."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle = timedelta(seconds=server.settings.upload_abandoned_seconds)
        self._pace = Pace(min(LOOK_AGAIN_SECONDS, self._idle.total_seconds() / 10))

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            with self._pace.trying("Giving up abandoned uploads"):
                if await reap_abandoned(idle=self._idle):
                    self._server.work.set()
            await asyncio.sleep(self._pace.seconds)
